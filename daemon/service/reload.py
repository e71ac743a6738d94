"""A reload: the configuration as it is on disk now, what of it is new, applied whole or not at all."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config, ConfigErrors, load_config, model_data_dir
from daemon.config.service import ServiceSettings
from daemon.ledger.backends.sqlite import group_id
from daemon.runtime.context import Shared
from daemon.runtime.log import get_logger
from daemon.runtime.restarting import error_key
from daemon.runtime.stores import data_store
from daemon.runtime.systemd_notify import Notifier
from daemon.server.tokens import Tokens, load_tokens
from daemon.service.keepers import Keepers
from daemon.service.servers import Servers
from retrain.records.errors import Refused

log = get_logger()
BURST_S = 0.2
"""Signals that come within this time are one."""
FOLDERS_S = 5.0
"""For so long a reload waits for data folders."""


@dataclass(frozen=True)
class Changes:
    """Models that are new or other than before, models that are gone, and the keys of `[service]` that changed: those
    that fresh servers read, and those that take effect at the next start."""

    changed: tuple[str, ...]
    gone: tuple[str, ...]
    servers: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    notify: bool = False
    mlflow: bool = False
    openlineage: bool = False

    def sentence(self) -> str:
        """What a reload did, for the one who asked.

        >>> Changes(("churn",), (), ("max_body",), ("workers",)).sentence()
        'reloaded: churn changed; [service] max_body changed; workers takes effect at the next start'
        """
        did = [f"{', '.join(self.changed)} changed"] * bool(self.changed)
        did += [f"{', '.join(self.gone)} removed"] * bool(self.gone)
        did += [f"[service] {', '.join(self.servers)} changed"] * bool(self.servers)
        told = {"[[notify]]": self.notify, "[mlflow]": self.mlflow, "[openlineage]": self.openlineage}
        did += [f"{section} changed" for section, has_changed in told.items() if has_changed]
        later = f"; {', '.join(self.later)} takes effect at the next start" if self.later else ""
        return f"reloaded: {'; '.join(did) or 'no model changed'}{later}"


async def read_again(shared: Shared, environment: Mapping[str, str]) -> Config:
    """The configuration of the same file with everything that it needs; ConfigErrors, OSError or Refused where it has
    mistakes, a token file cannot be read, or a data folder cannot be made."""
    found = await shared.looking.run(_read, shared.config.path, environment)
    await _make_data_folders(shared, found, changes(shared.config, found).changed, environment)
    return found


def _read(path: Path, environment: Mapping[str, str]) -> Config:
    found = load_config(path)
    load_tokens(found, environment)
    if found.service.group is not None:
        group_id(found.service.group)
    return found


async def _make_data_folders(
    shared: Shared, config: Config, names: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Those of models that changed, beside the event loop. One that does not answer is no reason to refuse: its intake
    makes it once it does, and tells until then."""
    if not names:
        return
    making = [asyncio.ensure_future(shared.looking.run(_make_data_folder, config, name, environment)) for name in names]
    try:
        done, _ = await asyncio.wait(making, timeout=FOLDERS_S)
    finally:
        for one in making:
            one.cancel()
    if errors := [error for one in making if one in done and (error := one.exception())]:
        raise errors[0]


def _make_data_folder(config: Config, name: str, environment: Mapping[str, str]) -> None:
    """That of a model; in its place nothing is made in an object store, which must only be known how to be reached."""
    if config.models[name].data_uri is not None:
        data_store(config, name, environment)
        return
    folder = model_data_dir(config, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"[models.{name}] data_dir {folder} does not exist and cannot be made: {error.strerror}"
        raise Refused(reason, "make it, so that the service's user may read it") from None


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
        before.notify != after.notify,
        before.mlflow != after.mlflow,
        before.openlineage != after.openlineage,
    )


def applied(before: Config, after: Config, what: Changes) -> Config:
    """The configuration once a reload has applied what it can: the rest of `[service]` stays as it was started."""
    changed = {key: getattr(after.service, key) for key in what.servers}
    return replace(after, service=before.service.model_copy(update=changed))


@dataclass
class Reloader:
    """Applies the configuration's file anew, one reload after the other."""

    shared: Shared
    environment: Mapping[str, str]
    tokens: Tokens
    keepers: Keepers
    servers: Servers
    notifier: Notifier
    status: Callable[[], str]
    applied: Callable[[], None]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waits: bool = False
    _asked: "asyncio.Task[None] | None" = None

    def ask(self) -> None:
        """What SIGHUP does; one that comes while another waits is the same: the file is read when its turn has come."""
        if not self._waits:
            self._waits = True
            self._asked = asyncio.ensure_future(self._reload_asked())

    async def _reload_asked(self) -> None:
        """After a moment, in which more may come; the log tells the outcome."""
        await asyncio.sleep(BURST_S)
        with contextlib.suppress(Refused):
            await self.reload()

    async def reload(self) -> str:
        """Apply a changed configuration whole, or refuse it whole and say why."""
        async with self.turn:
            self._waits = False
            self.notifier.reloading()
            try:
                config = await read_again(self.shared, self.environment)
                if self.keepers.resting:
                    raise Refused("the state folder is lost, and a reload would begin it anew", "bring it back first")
                return await self._apply(config)
            except (ConfigErrors, OSError, Refused, SQLAlchemyError) as error:
                reason = error_key(error) if isinstance(error, SQLAlchemyError) else str(error)
                log.error("config_refused", reason=reason)
                raise Refused(reason) from None
            finally:
                self.notifier.send(READY="1", STATUS=self.status())

    async def _apply(self, config: Config) -> str:
        """What can fail comes first: room in the state folder, and servers that come up. Nothing has changed then."""
        before, keepers = self.shared.config, self.keepers
        what = changes(before, config)
        if what.later:
            log.warning("config_needs_restart", keys=what.later)
        tokens = load_tokens(config, self.environment)
        await self.shared.writable()
        for name in what.changed:
            keepers.make_room(name)
        if what.changed or what.gone or what.servers or tokens != self.tokens:
            await self.servers.replace()
            self.tokens = tokens
        for name in (*what.gone, *(n for n in what.changed if n in keepers.by_name)):
            await keepers.remove(name)
        self.shared.config = applied(before, config, what)
        for name in what.changed:
            keepers.start(name)
        self.applied()
        log.info("config_reloaded", changed=what.changed, removed=what.gone)
        return what.sentence()
