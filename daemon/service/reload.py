"""What a reload is to apply: the configuration as it is on disk now, and what of it is new."""

from collections.abc import Mapping
from dataclasses import dataclass

from daemon.config.config import Config, load_config, model_data_dir
from daemon.config.service import ServiceSettings
from daemon.ledger.engine import group_id
from daemon.server.tokens import load_tokens
from retrain.records.errors import Refused


@dataclass(frozen=True)
class Changes:
    """Models that are new or other than before, models that are gone, and the keys of `[service]` that changed: those
    that fresh servers read, and those that take effect at the next start."""

    changed: tuple[str, ...]
    gone: tuple[str, ...]
    servers: tuple[str, ...] = ()
    later: tuple[str, ...] = ()

    def sentence(self) -> str:
        """What a reload did, for the one who asked.

        >>> Changes(("churn",), (), ("max_body",), ("workers",)).sentence()
        'reloaded: churn changed; [service] max_body changed; workers takes effect at the next start'
        """
        did = [f"{', '.join(self.changed)} changed"] * bool(self.changed)
        did += [f"{', '.join(self.gone)} removed"] * bool(self.gone)
        did += [f"[service] {', '.join(self.servers)} changed"] * bool(self.servers)
        later = f"; {', '.join(self.later)} takes effect at the next start" if self.later else ""
        return f"reloaded: {'; '.join(did) or 'no model changed'}{later}"


def read_again(config: Config, environment: Mapping[str, str]) -> Config:
    """The configuration of the same file with everything that it needs; ConfigErrors, OSError or Refused where it has
    mistakes, a token file cannot be read, or a data folder cannot be made."""
    found = load_config(config.path)
    load_tokens(found, environment)
    if found.service.group is not None:
        group_id(found.service.group)
    for name in found.models:
        folder = model_data_dir(found, name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            told = f"[models.{name}] data_dir {folder} does not exist and cannot be made: {error.strerror}"
            raise Refused(told, "make it, so that the service's user may read it") from None
    return found


def changes(before: Config, after: Config) -> Changes:
    """What is other in a configuration."""
    old, new = before.service.model_dump(), after.service.model_dump()
    keys = sorted(key for key in new if new[key] != old[key])
    reloaded = ServiceSettings.reloaded()
    return Changes(
        tuple(name for name in after.models if after.models[name] != before.models.get(name)),
        tuple(name for name in before.models if name not in after.models),
        tuple(key for key in keys if key in reloaded),
        tuple(key for key in keys if key not in reloaded),
    )


def applied(before: Config, after: Config, what: Changes) -> Config:
    """The configuration once a reload has applied what it can: the rest of `[service]` stays as it was started."""
    told = {key: getattr(after.service, key) for key in what.servers}
    return Config(after.path, before.service.model_copy(update=told), after.models)
