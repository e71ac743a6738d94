"""Does what the command line asked for: rows of the ledger's table of commands, oldest first, each exactly once."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from daemon.config.paths import ABOUT
from daemon.cycles import trial as on_trial
from daemon.cycles.classes import withheld_classes
from daemon.cycles.elsewhere import refuse_elsewhere
from daemon.ledger import (
    class_totals,
    commands,
    cycles,
    deployments,
    due,
    files,
    models,
    promotions,
    trials,
    versions,
)
from daemon.ledger.elsewhere import ASKED
from daemon.runtime.context import ModelContext, Shared
from daemon.runtime.log import get_logger
from daemon.runtime.worker.process import WorkerError
from daemon.service.beside import Beside
from retrain.operations import ProveRequest
from retrain.planning import cycle as machine
from retrain.planning.required import rows_to_adopt
from retrain.records.cycle import CycleState
from retrain.records.deployment import Deployment
from retrain.records.errors import Refused
from retrain.records.trial import Trial
from retrain.store.versions import seen_files

log = get_logger()


@dataclass
class Commander:
    """Applies commands to the models by name; `promoted` is called after a champion changed, `notify_test` with a
    destination, or None for all, `pull` with a model, `forget` with a command about people."""

    contexts: dict[str, ModelContext]
    promoted: Callable[[str], None]
    reload: Callable[[], Awaitable[str]]
    notify_test: Callable[[str | None], Awaitable[str]]
    pull: Callable[[str], Awaitable[str]]
    forget: Callable[[commands.CommandRow], Awaitable[str]]
    now: Callable[[], float] = time.time
    beside: Beside = field(default_factory=Beside)
    _proven: dict[Path, Any] = field(default_factory=dict)

    async def apply_all(self) -> None:
        """Work off what is queued; what waits for receivers of notifications or for a database is only begun."""
        self.beside.look()
        shared = next(iter(self.contexts.values())).shared
        with shared.ledger.connect() as conn:
            queued = commands.queued(conn)
        for command in queued:
            if command.name in ("notify_test", "pull", "forget_people"):
                self.beside.begin(command.id, partial(self._do, command, shared))
            else:
                await self._do(command, shared)

    async def _do(self, command: commands.CommandRow, shared: Shared) -> None:
        await shared.writable()
        state, message = "done", ""
        try:
            message = await self._apply(command, shared)
        except (SQLAlchemyError, OSError):
            raise  # the world's fault: it is done when that is over
        except Exception as error:  # never again, for it stands before all others
            expected = isinstance(error, Refused | WorkerError)
            state, message = "refused", str(error) if expected else f"it failed: {error!r}"
            await shared.writable()
            if not expected:
                log.error("part_failed", part=command.name, error=repr(error), traceback=traceback.format_exc())
            with shared.ledger.begin() as conn:
                commands.finish(conn, command.id, state, message, self.now())
        fields = {"command": command.name, "model": command.args.get("model"), "user": command.user}
        if state == "done":
            log.info("command_done", **fields, answer=message)
        else:
            log.warning("command_refused", **fields, answer=message)

    async def _apply(self, command: commands.CommandRow, shared: Shared) -> str:
        ledger = shared.ledger
        if command.name in ("reload", "notify_test", "pull", "forget_people"):
            message = await self._awaited(command)
            await shared.writable()
            with ledger.begin(durable=True) as conn:
                commands.finish(conn, command.id, "done", message, self.now())
            return message
        name = command.args["model"]
        context = self.contexts.get(name)
        if context is None:
            raise Refused(f"no model {name!r} in the running configuration")
        await self._prove_first(context, command)
        if command.name == "adopt" and shared.store is not None:
            shared.store.note(context.folders.adopted(command.args["folder"]))  # the command line published it
        await context.shared.writable()
        with ledger.begin(durable=True) as conn:
            message = HANDLERS[command.name](conn, context, command.args)
            commands.finish(conn, command.id, "done", message, self.now())
        if command.name in ("promote", "rollback"):
            self.promoted(name)
        context.decision_needed.set()
        return message

    async def _awaited(self, command: commands.CommandRow) -> str:
        """What a command came to that is done elsewhere in the service."""
        if command.name == "reload":
            return await self.reload()
        if command.name == "notify_test":
            return await self.notify_test(command.args.get("destination"))
        if command.name == "forget_people":
            return await self.forget(command)
        return await self.pull(command.args["model"])

    async def _prove_first(self, context: ModelContext, command: commands.CommandRow) -> None:
        """A version that does not load or answer its probe rows is never promoted; one that did is not proven again
        while its files are the same: each server proves what it loads, anyhow."""
        if context.settings.is_elsewhere:
            return
        with context.shared.ledger.connect() as conn:
            if command.name == "promote":
                members = [_stored(conn, context, command.args["version"])]
            elif command.name == "rollback" and trials.running(conn, context.name) is None:
                members = [m.version for m in _predecessor(conn, context).members]
            else:
                return
        for version in members:
            path, trusted = context.folders.version(version), context.settings.estimator.trusted_types
            seen = await asyncio.to_thread(_seen, path)
            if seen is None or self._proven.get(path) != seen:
                await context.shared.analyst.call(ProveRequest(path=path, trusted_types=trusted))
                self._proven[path] = seen


def _seen(path: Path) -> Any:
    try:
        return seen_files(path)
    except OSError:
        return None


def _stored(conn: Connection, context: ModelContext, version: str) -> str:
    names: list[str] = [row.name for row in versions.stored(conn, context.name)]
    matching = [name for name in names if name == version or name.startswith(f"{version}-")]
    if len(matching) != 1:
        raise Refused(f"no stored version {version!r} of {context.name}", f"stored: {', '.join(names) or 'none'}")
    return matching[0]


def _predecessor(conn: Connection, context: ModelContext) -> Deployment:
    champion = promotions.champion(conn, context.name)
    if champion is None or champion.predecessor is None:
        raise Refused(f"{context.name} has no earlier deployment to roll back to")
    return champion.predecessor


def _retrain(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    if context.settings.is_elsewhere and not context.settings.challengers:
        raise Refused(
            f"another system serves {context.name}, and driftd trains nothing",
            f"`challengers = true` trains some to compare, `driftd renew {context.name}` begins a new reference",
        )
    due.add(conn, context.name, "manual", context.now())
    return "a cycle opens as soon as none is under way"


def _renew(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    if not context.settings.is_elsewhere:
        raise Refused(f"driftd serves {context.name} itself", f"`driftd retrain {context.name}` makes a new version")
    due.add(conn, context.name, ASKED, context.now())
    return "a new reference is made of the newest files as soon as no cycle is under way"


def _adopt(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    """The cycle of an adoption: it is staged, evaluated, proven and promoted as a trained one."""
    refuse_elsewhere(context.name, context.settings, "driftd adopts nothing for it")
    champion, file = promotions.champion(conn, context.name), args["file"]
    if champion is not None and not args["replaces"]:
        raise Refused(
            f"{context.name} has a champion, {champion.described}", "--replace puts the adopted pipeline in its place"
        )
    if not (context.folders.adopted(args["folder"]) / ABOUT).is_file():
        raise Refused(f"{file} is gone from the state folder", "`driftd adopt` brings it again")
    about = {key: value for key, value in args.items() if key not in ("model", "schema", "inferred")}
    if args.get("inferred") and models.load_schema(conn, context.name) is None:
        models.save_schema(conn, context.name, args["schema"])
    due.add(conn, context.name, "adopt", context.now(), about)
    rows, needed = args.get("rows") or files.labelled_rows(conn, context.name), rows_to_adopt(context.settings)
    if rows < needed:
        return f"{file} waits for {needed:,} labelled rows that say what it is like; there are {rows:,}"
    return f"{file} is evaluated and proven, and then served: `driftd status` says when"


def _promote(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    refuse_elsewhere(context.name, context.settings, "nothing can be promoted")
    version = _stored(conn, context, args["version"])
    deployment = deployments.for_version(conn, context.name, version, context.now())
    champion, trial = promotions.champion(conn, context.name), trials.running(conn, context.name)
    if champion is not None and [m.version for m in champion.deployment.members] == [version]:
        raise Refused(f"{version} is the champion already")
    if trial is not None and trial.version == version:
        _end_trial(conn, context, trial, "promoted", "promoted by hand during its trial", "manual")
        return f"{version} is the champion; its trial is over"
    if trial is not None:
        _end_trial(conn, context, trial, "ended", f"{version} was promoted by hand during the trial")
    promotions.record(conn, context.name, deployment, "manual", "by hand", context.now())
    context.log.info("version_promoted", version=version, reason="by hand")
    return f"{version} is the champion"


def _rollback(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    refuse_elsewhere(context.name, context.settings, "nothing can be rolled back")
    champion, trial = promotions.champion(conn, context.name), trials.running(conn, context.name)
    if trial is not None:
        _end_trial(conn, context, trial, "dropped", "dropped by hand during its trial")
        assert champion is not None
        return f"{trial.version} was on trial and is dropped; {champion.described} is the champion as before"
    deployment = _predecessor(conn, context)
    assert champion is not None
    promotions.record(conn, context.name, deployment, "rollback", "by hand", context.now())
    context.log.warning(
        "version_rolled_back", version=deployment.name, from_version=champion.deployment.name, reason="by hand"
    )
    return f"rolled back from {champion.described} to {deployment.described}"


def _end_trial(
    conn: Connection, context: ModelContext, trial: Trial, outcome: str, reason: str, kind: str = "promote"
) -> None:
    cycle = on_trial.end(conn, context, trial, outcome, reason, kind)
    on_trial.log_ended(context, cycle, trial, reason)


def _approve(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    cycle = cycles.current(conn, context.name)
    if cycle is None or cycle.id != int(args["cycle"]) or cycle.state is not CycleState.AWAITING_APPROVAL:
        raise Refused(f"cycle {args['cycle']} does not wait for approval")
    cycles.save(conn, machine.approve(cycle), context.now())
    return f"cycle {cycle.id} goes on to its promotion"


def _approve_class(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    name, settings, folder = context.name, context.settings, context.folders.versions
    waiting = {one.name: one for one in withheld_classes(conn, name, settings, folder)}
    chosen = [waiting.get(text) for text in args["classes"]]
    if None in chosen:
        unknown = next(text for text in args["classes"] if text not in waiting)
        listed = ", ".join(map(repr, waiting)) or "none"
        raise Refused(f"{name} has no rows of a new class {unknown!r}; waiting: {listed}")
    if undeclared := next((one for one in chosen if one is not None and one.declared), None):
        raise Refused(
            f"{undeclared.name!r} is not among the declared categories",
            f"add it to the target's categories in [models.{name}.columns]",
        )
    class_totals.approve(conn, name, settings.target, args["classes"])
    left = [one for one in withheld_classes(conn, name, settings, folder) if one.name in args["classes"]]
    if left:
        return "; ".join(one.sentence() for one in left)
    due.add(conn, name, "manual", context.now())
    return (
        f"rows of {', '.join(map(repr, args['classes']))} teach from now on; a cycle opens as soon as none is under way"
    )


def _pause(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    models.set_paused(conn, context.name, True)
    return (
        f"{context.name} opens no cycles and rolls nothing back by itself until it is resumed; files are still checked"
    )


def _resume(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    models.set_paused(conn, context.name, False)
    return f"{context.name} is resumed"


def _hold(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    files.hold(conn, context.name, args["file"], args.get("reason", "by hand"))
    return f"{args['file']} teaches nobody until it is released"


def _release(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    files.release(conn, context.name, args["file"])
    return f"{args['file']} may teach again"


def _forget(conn: Connection, context: ModelContext, args: dict[str, Any]) -> str:
    files.forget(conn, context.name, args["file"])
    return f"{args['file']} is forgotten: its rows leave every window"


HANDLERS: dict[str, Callable[[Connection, ModelContext, dict[str, Any]], str]] = {
    handler.__name__.removeprefix("_"): handler
    for handler in (
        _adopt,
        _retrain,
        _renew,
        _promote,
        _rollback,
        _approve,
        _approve_class,
        _pause,
        _resume,
        _hold,
        _release,
        _forget,
    )
}
"""Each command's function, by the command's name."""
