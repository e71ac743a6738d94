"""What a reload is to apply: the configuration as it is on disk now, and what of it is new."""

from collections.abc import Mapping
from dataclasses import dataclass

from daemon.config import Config, load_config, model_data_dir
from daemon.server.tokens import load_tokens
from retrain.errors import Refused


@dataclass(frozen=True)
class Changes:
    """Models that are new or other than before, models that are gone, and whether `[service]` changed."""

    changed: tuple[str, ...]
    gone: tuple[str, ...]
    service: bool

    def sentence(self) -> str:
        """What a reload did, for the one who asked.

        >>> Changes(("churn",), (), True).sentence()
        'reloaded: churn changed; [service] changed too: that takes effect at the next start'
        """
        did = [f"{', '.join(self.changed)} changed"] * bool(self.changed)
        did += [f"{', '.join(self.gone)} removed"] * bool(self.gone)
        later = "; [service] changed too: that takes effect at the next start" if self.service else ""
        return f"reloaded: {'; '.join(did) or 'no model changed'}{later}"


def read_again(config: Config, environment: Mapping[str, str]) -> Config:
    """The configuration of the same file with everything that it needs; ConfigErrors, OSError or Refused where it has
    mistakes, a token file cannot be read, or a data folder cannot be made."""
    found = load_config(config.path)
    load_tokens(found, environment)
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
    return Changes(
        tuple(name for name in after.models if after.models[name] != before.models.get(name)),
        tuple(name for name in before.models if name not in after.models),
        after.service != before.service,
    )
