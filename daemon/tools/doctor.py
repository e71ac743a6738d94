"""Looks at everything that driftd stands on, and says what to do: what `driftd doctor` prints."""

import grp
import os
import secrets
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config, hook_command, model_data_dir, scoring_dirs
from daemon.config.notify import NotifySettings, needs_apprise, scheme_of
from daemon.config.patience import Patience
from daemon.config.real_paths import RealPaths
from daemon.ledger import Ledger, files, leases, models, promotions
from daemon.ledger.leases import Leader
from daemon.ledger.sound import MOVE, WAY_BACK, refuse_missing
from daemon.reading.look import scan, why_unread
from daemon.reading.rejects import printable
from daemon.reports.status import address
from daemon.runtime.context import FEWEST_INODES
from daemon.runtime.ledgers import ledger_url, open_configured
from daemon.runtime.lock import holder_of, is_followed, is_held
from daemon.runtime.notify.delivery import usable
from daemon.runtime.notify.endpoint import Endpoint, open_secrets
from daemon.runtime.stores import NEEDS_DATABASE, configured_store
from daemon.server.origins import host_name, is_local
from daemon.server.tokens import load_tokens, open_token_files
from daemon.tools.doctor_store import snapshots_told, store_told
from daemon.tools.forgotten import key_told
from drift.notation import counted
from retrain.records.errors import DriftdError, Refused
from retrain.records.settings import IntakeSettings
from retrain.store.backends.objects import WAY_OUT, ObjectStore, StoreFailed

WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")
FEW_WATCHES = 8192
LISTED_FILES = 10
DEAD, MOUNT = "does not answer, as on a dead mount", "mount it again: nothing is lost, and its files wait"


@dataclass(frozen=True)
class Finding:
    """`level` is ok, warning or error; `way_out` says what to do."""

    level: str
    what: str
    way_out: str = ""


def examine(config: Config) -> list[Finding]:
    """All findings, in the order in which they should be mended; whatever goes wrong in a look is one of them."""
    patience = Patience()
    if not patience.answers(config.state_dir):
        return [Finding("error", f"{config.state_dir} {DEAD}", MOUNT)]
    parts = [("the state folder", _state(config)), ("[service] group", _group(config)), ("tokens", _tokens(config))]
    parts += [("[[notify]]", _notify(config))]
    for name in config.models:
        parts += [(f"{name}: data_dir", _data_dir(config, name, patience))]
        parts += [(f"{name}: the folders of scoring", _scoring(config, name, patience))]
        parts += [(f"{name}: the estimator", _learner(config, name)), (f"{name}: on_promotion", _hook(config, name))]
        parts += [(f"[models.{name}.source]", _source(config, name)), (f"{name}: prepare", _prepare(config, name))]
    parts += [("shared data folders", _shared(config))]
    parts += [("limits", _limits()), ("[service] listen", _port(config)), ("the environment", _environment())]
    parts += [("the ledger", _ledger(config)), ("[service] store", _store(config)), ("[mlflow]", _mlflow(config))]
    parts += [("[openlineage]", _openlineage(config)), ("[service] executor", _executor(config))]
    found = [Finding("ok", f"{config.path}: {counted(len(config.models), 'model')}")]
    for what, findings in parts:
        try:
            found += findings
        except DriftdError as error:
            found.append(Finding("error", error.message, error.hint))
        except (Exception, SystemExit) as error:  # of the user's code as well
            found.append(Finding("error", f"{what} cannot be examined: {type(error).__name__}: {error}"))
    return found


def _state(config: Config) -> Iterator[Finding]:
    folder = config.state_dir
    if not folder.exists():
        if why := _cannot_be_made(folder):
            yield Finding("error", f"{folder} cannot be made: {why}", "run as the service's user, or correct state_dir")
            return
    elif not folder.is_dir():
        yield Finding("error", f"{folder} is no folder", "correct [service] state_dir")
        return
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        way_out = "run as the service's user, or change its owner"
        yield Finding("error", f"{folder} may not be written by this user", way_out)
        return
    elif folder.stat().st_mode & stat.S_IRWXO:
        yield Finding("warning", f"{folder} is open to other users of this machine", f"chmod o= {folder}")
    free = shutil.disk_usage(_nearest(folder)).free
    if free < config.service.min_free:
        needed = f"[service] min_free is {config.service.min_free:,}"
        yield Finding("error", f"{folder} has {free:,} free bytes; {needed}", "free some space")
    elif (inodes := _free_inodes(folder)) is not None and inodes < FEWEST_INODES:
        yield Finding("error", f"no more than {inodes} files can be made in {folder}", "remove files: `df -i` shows it")
    else:
        yield Finding("ok", f"state in {folder}, {free / 1e9:.1f} GB free")


def _free_inodes(folder: Path) -> int | None:
    found = os.statvfs(_nearest(folder))
    return found.f_favail if found.f_files else None


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _cannot_be_made(folder: Path) -> str:
    """Why a folder cannot be made, if so; found out by one that is made where it would be, and removed."""
    try:
        Path(tempfile.mkdtemp(prefix=".driftd-doctor-", dir=_nearest(folder))).rmdir()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _group(config: Config) -> Iterator[Finding]:
    name, folder = config.service.group, config.state_dir
    if name is None:
        return
    try:
        number = grp.getgrnam(name).gr_gid
    except KeyError:
        yield Finding("error", f"[service] group is {name!r}, which does not exist", "make it, or name another")
        return
    is_member = os.geteuid() == 0 or number in (os.getegid(), *os.getgroups())
    is_theirs = folder.exists() and folder.stat().st_gid == number
    if is_member or is_theirs or config.paths.ledger.exists():
        yield Finding("ok", f"the group {name} may use the command line")
    else:
        way_out = "add it to the group, or run as the service's user"
        yield Finding("error", f"this user may give no files to {name!r}, [service] group", way_out)


def _tokens(config: Config) -> Iterator[Finding]:
    tokens, host = load_tokens(config, os.environ), config.service.listen.rpartition(":")[0]
    if not tokens:
        local = is_local(host_name(host))
        who = "every user of this machine" if local else f"everybody who reaches {config.service.listen}"
        way_out = "" if local else "set [service] read_token_file and admin_token_file"
        what = f"without tokens {who} may predict, look, and send labels that teach"
        yield Finding("ok" if local else "warning", what, way_out)
    for path in open_token_files(config, os.environ):
        yield Finding("warning", f"{path} may be read or written by other users of this machine", f"chmod o= {path}")


def _notify(config: Config) -> Iterator[Finding]:
    for one in config.notify:
        try:
            endpoint = usable(config, one, os.environ)
        except DriftdError as error:
            way_out = error.hint or "correct it; a credential of systemd is there for the service alone"
            yield Finding("warning", f"[[notify]] {one.name}: {error.message}", way_out)
            continue
        yield Finding("ok", f"[[notify]] {one.name}: {_how(one, endpoint)}; `driftd notify test` sends one")
    for path in open_secrets(config, os.environ):
        yield Finding("warning", f"{path} may be read or written by other users of this machine", f"chmod o= {path}")


def _mlflow(config: Config) -> Iterator[Finding]:
    """Whether MLflow's server answers, what is needed to speak with it is there, and its copy is up to date."""
    if config.mlflow is not None:
        from daemon.tools.doctor_registry import mlflow_told

        yield from (Finding(*told) for told in mlflow_told(config, os.environ))


def _openlineage(config: Config) -> Iterator[Finding]:
    """Whether the collector answers, and what waits for it."""
    if config.openlineage is not None:
        from daemon.tools.doctor_registry import openlineage_told

        yield from (Finding(*told) for told in openlineage_told(config, os.environ))


def _executor(config: Config) -> Iterator[Finding]:
    """Whether the cluster's scheduler answers, and whether its workers have what this host has."""
    if config.service.executor != "local":
        from daemon.tools.doctor_cluster import executor_told

        yield from (Finding(*told) for told in executor_told(config))


def _how(destination: NotifySettings, endpoint: Endpoint) -> str:
    """How a destination is told."""
    if destination.to:
        return "e-mail"
    if needs_apprise(endpoint.url):
        return f"messages by Apprise, {scheme_of(endpoint.url)}://"
    return "signed messages" if endpoint.key is not None else "messages that are not signed"


def _data_dir(config: Config, name: str, patience: Patience) -> Iterator[Finding]:
    if config.models[name].data_uri is not None:
        from daemon.tools.doctor_prefix import prefix_told

        yield from (Finding(*told) for told in prefix_told(config, name, os.environ))
        return
    folder = model_data_dir(config, name)
    if not patience.answers(folder):
        yield Finding("error", f"{name}: {folder} {DEAD}", MOUNT)
    elif not folder.exists():
        why = _cannot_be_made(folder)
        if why:
            yield Finding("error", f"{name}: {folder} does not exist and cannot be made: {why}", "correct data_dir")
        else:
            yield Finding("warning", f"{name}: {folder} does not exist", "the service makes it; or correct data_dir")
    elif not folder.is_dir():
        yield Finding("error", f"{name}: {folder} is no folder", "correct data_dir")
    elif not os.access(folder, os.R_OK | os.X_OK):
        yield Finding("error", f"{name}: {folder} may not be read by this user", "change its mode or group")
    else:
        yield Finding("ok", f"{name}: watches {folder}")
        yield from _unread(name, folder, config.models[name].intake)


def _scoring(config: Config, name: str, patience: Patience) -> Iterator[Finding]:
    """Of a model whose dropped files are scored: the folder that these come in, and that of their results."""
    for key, folder in zip(("in_dir", "out_dir"), scoring_dirs(config, name) or (), strict=False):
        if not patience.answers(folder):
            yield Finding("error", f"{name}: {folder} {DEAD}", MOUNT)
        elif not folder.exists():
            why = _cannot_be_made(folder)
            what = f"{name}: {folder} does not exist" + (f" and cannot be made: {why}" if why else "")
            way_out = f"correct scoring.{key}" if why else f"the service makes it; or correct scoring.{key}"
            yield Finding("error" if why else "warning", what, way_out)
        elif not folder.is_dir():
            yield Finding("error", f"{name}: {folder} is no folder", f"correct scoring.{key}")
        elif not os.access(folder, os.R_OK | os.X_OK | (os.W_OK if key == "out_dir" else 0)):
            may = "written" if key == "out_dir" else "read"
            yield Finding("error", f"{name}: {folder} may not be {may} by this user", "change its mode or group")
        else:
            what = "files dropped into" if key == "in_dir" else "results appear in"
            yield Finding("ok", f"{name}: {what} {folder}" + (" are scored" if key == "in_dir" else ""))


def _unread(name: str, folder: Path, intake: IntakeSettings) -> Iterator[Finding]:
    """Files that no pattern takes."""
    others: list[str] = []
    for _ in scan(folder, intake.patterns, intake.recursive, others):
        pass
    for path in sorted(others)[:LISTED_FILES]:
        yield Finding("warning", f"{name}: {printable(path)} is {why_unread(path)}")
    if len(others) > LISTED_FILES:
        yield Finding(
            "warning", f"{name}: {len(others) - LISTED_FILES} more files are not read", f"driftd files {name}"
        )


def _hook(config: Config, name: str) -> Iterator[Finding]:
    if not (words := hook_command(config, name)):
        return
    program, written = shutil.which(words[0]), printable(words[0])
    if program is None:
        what = f"{name}: on_promotion: there is no program {written}, or this user may not run it"
        yield Finding("error", what, "write its whole path; chmod +x")
        return
    yield Finding("ok", f"{name}: on_promotion runs {written}")
    if Path(program).stat().st_mode & stat.S_IWOTH:
        yield Finding("warning", f"{written} may be changed by other users of this machine", f"chmod o-w {written}")


def _source(config: Config, name: str) -> Iterator[Finding]:
    if config.models[name].source is None:
        return
    from daemon.tools.doctor_source import source_told

    yield from (Finding(*told) for told in source_told(config, name, os.environ))


def _shared(config: Config) -> Iterator[Finding]:
    """Models of one folder: each takes every file, and must not learn from what another one is to predict."""
    real = RealPaths()
    folders = {name: one.data_uri or real.of(model_data_dir(config, name)) for name, one in config.models.items()}
    for name, other in permutations(config.models, 2):
        if folders[name] != folders[other]:
            continue
        mine, target = config.models[name], config.models[other].target
        declared = None if mine.columns is None else mine.columns.get(target)
        if target == mine.target or (mine.columns is not None and (declared is None or declared.feature is False)):
            continue
        what = f"{name} learns from {target!r}, which {other} predicts, of files in the same data_dir"
        way_out = (
            f"if it is not known beforehand: {target} = {{ type = …, feature = false }} in [models.{name}.columns]"
        )
        yield Finding("warning", what, way_out)


def _learner(config: Config, name: str) -> Iterator[Finding]:
    """The metric and the estimator, which otherwise the first training would find wrong."""
    from daemon.tools.doctor_recommendation import check_learner
    from retrain.metrics.registry import MetricContext, get_metric
    from retrain.model.decision import costs_of
    from retrain.model.estimators import make_estimator

    settings, folder = config.models[name], config.path.parent
    try:
        if settings.metric != "auto":
            get_metric(settings.metric, MetricContext(settings.task, 0.0, folder, costs_of(settings.decision)))
        if settings.task == "recommendation":
            trained = check_learner(settings, folder)
        else:
            trained = type(make_estimator(settings.estimator, settings.task, folder)).__name__
    except DriftdError as error:
        yield Finding("error", f"{name}: {error.message}", error.hint)
    else:
        idle, adopted = settings.is_elsewhere and not settings.challengers, _adopted(config, name)
        does = (
            f"trains {trained}" if adopted is None else f"trains clones of what was adopted from {printable(adopted)}"
        )
        yield Finding("ok", f"{name}: {'is served elsewhere, and nothing is trained' if idle else does}")


def _adopted(config: Config, name: str) -> str | None:
    """The file of which the champion was adopted, or is a clone; None where a retraining does not clone it."""
    from retrain.store.versions import undamaged

    settings = config.models[name]
    training = undamaged(config.paths.model(name).current / "training.json") or {}
    origin = training.get("adopted")
    return (
        None if origin is None or settings.estimator.type != "auto" or settings.prepare is not None else origin["file"]
    )


def _prepare(config: Config, name: str) -> Iterator[Finding]:
    """The preparation of the user's, and the library whose frames it reads."""
    from retrain.model.preparation import library_of

    prepare = config.models[name].prepare
    if prepare is not None:
        library = library_of(prepare, config.path.parent)
        yield Finding("ok", f"{name}: {printable(prepare)} prepares its rows, as frames of {library}")


def _limits() -> Iterator[Finding]:
    try:
        watches = int(WATCHES.read_text("ascii"))
    except (OSError, ValueError):
        return
    if watches < FEW_WATCHES:
        hint = 'sysctl fs.inotify.max_user_watches=524288, or intake.watch = "polling"'
        yield Finding("warning", f"only {watches} inotify watches: sub-folders beyond are found by rescans only", hint)


def _port(config: Config) -> Iterator[Finding]:
    host, _, port = config.service.listen.rpartition(":")
    if is_held(config.state_dir):
        serving = _address(config)
        where = f"it serves on {serving}" if serving else f"{config.service.listen} is configured"
        yield Finding("ok", f"the service runs; {where}")
        return
    if is_followed(config.state_dir):
        yield Finding("ok", f"`driftd serve` follows here; {config.service.listen} is configured")
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            way_out = "stop what uses it, or set another [service] listen"
            yield Finding("error", f"cannot listen on {config.service.listen}: {error.strerror}", way_out)
        else:
            yield Finding("ok", f"{config.service.listen} is free; the service is not running")


def _address(config: Config) -> str:
    try:
        with closing(open_configured(config)) as ledger:
            return address(config, ledger)
    except (DriftdError, OSError, SQLAlchemyError):
        return ""  # the look at the ledger tells


def _environment() -> Iterator[Finding]:
    from importlib.metadata import version

    names = ("driftd", "scikit-learn", "scipy", "numpy", "duckdb", "pyarrow")
    yield Finding("ok", ", ".join(f"{name} {version(name)}" for name in names))


def _ledger(config: Config) -> Iterator[Finding]:
    if ledger_url(config) is not None:
        yield from _database(config)
        return
    path = config.paths.ledger
    if not path.exists():
        refuse_missing(path)
        yield Finding("ok", "no ledger yet: the service has not run with this state_dir")
        return
    try:
        with closing(open_configured(config)) as ledger:
            yield from _inside(config, ledger)
    except (OSError, SQLAlchemyError) as error:
        why = str(getattr(error, "orig", error)).splitlines()[0]
        yield Finding("error", f"{path} cannot be read: {why}", f"stop the service; {WAY_BACK}")


def _database(config: Config) -> Iterator[Finding]:
    """Of a ledger in PostgreSQL: whether it can be reached, and has what it needs; its pages are the server's to look
    after."""
    try:
        with closing(open_configured(config)) as ledger:
            yield Finding("ok", f"the ledger is in {ledger.place}, which answers")
            with ledger.connect() as conn:
                yield from _told_inside(config, conn)
    except Refused as error:
        is_new = error.message.startswith("the service has not run yet")
        level = "warning" if error.hint == MOVE else "ok" if is_new else "error"
        yield Finding(level, error.message, "" if is_new else error.hint)
    except SQLAlchemyError as error:
        why = str(getattr(error, "orig", error)).strip().splitlines()[0]
        yield Finding("error", f"the ledger cannot be read: {why}", "is the database up?")


def _store(config: Config) -> Iterator[Finding]:
    """Whether the object store can be reached, and lets this user do what a service does there."""
    store = configured_store(config)
    if store is None:
        return
    if ledger_url(config) is None:
        yield Finding("error", NEEDS_DATABASE[0], NEEDS_DATABASE[1])
        return
    try:
        yield Finding("ok", f"the store {store.place} answers" + ("" if store.look() else "; nothing is in it yet"))
        yield from _writes(store)
    except StoreFailed as error:
        yield Finding("error", error.message, WAY_OUT if error.hopeless else "is it up? AWS_ENDPOINT_URL says where")
    yield from (Finding(*told) for told in store_told(config, time.time()))


def _writes(store: ObjectStore) -> Iterator[Finding]:
    """By a small object that is put, read and deleted. Servers on other hosts need to read alone."""
    name = f"doctor-{secrets.token_hex(8)}"
    try:
        store.write(name, b"driftd doctor\n")
    except StoreFailed as error:
        yield Finding("warning", f"{error}: enough for `driftd serve` on other hosts, not for `driftd run`", WAY_OUT)
        return
    try:
        store.read(name)
        store.delete([name])
    except (StoreFailed, FileNotFoundError) as error:
        yield Finding("error", f"{error}; {name} is left there", WAY_OUT)


def _inside(config: Config, ledger: Ledger) -> Iterator[Finding]:
    with ledger.connect() as conn:
        answer = conn.exec_driver_sql("PRAGMA quick_check").scalar()
        if answer != "ok":
            why = str(answer).splitlines()[-1]
            yield Finding("error", f"the ledger is damaged: {why}", f"stop the service; {WAY_BACK}")
            return
        yield Finding("ok", "the ledger is sound")
        yield from _told_inside(config, conn)


def _told_inside(config: Config, conn: Connection) -> Iterator[Finding]:
    """What a sound ledger says of models, and of their files where these are to be here."""
    leader = leases.leader(conn)
    if leader is not None and leader.left_s > 0:
        yield Finding("ok", f"{leader.holder} leads, term {leader.term}, {_whose(config, leader)}")
    is_theirs = leader is not None and leader.holder != holder_of(config.state_dir)
    is_here = config.service.store is None or (config.paths.copied.exists() and not is_theirs)
    if is_here:
        yield from (Finding(*told) for told in key_told(config, conn))
    elif not config.paths.copied.exists():
        what = "no copy of what the store has: `driftd run` fetches all of it, `driftd serve` what is to be served"
        yield Finding("ok", f"{config.state_dir} is {what}")
    for name in config.models:
        yield from _unclear(conn, config, name)
        yield from (Finding(*told) for told in (snapshots_told(conn, config, name) if is_here else ()))
        if config.models[name].task == "recommendation":
            yield from _items(conn, config, name)
        else:
            yield from _labels(conn, config, name)
        champion = promotions.champion(conn, name)
        row = models.get(conn, name)
        if champion is None:
            waits = row.waits_for if row is not None else ""
            yield Finding("ok", f"{name}: no version yet" + (f"; {waits}" if waits else ""))
            continue
        for member in champion.deployment.members:
            if is_here or config.paths.model(name).version(member.version).exists():
                yield _version(config, name, member.version)
            else:
                yield Finding("ok", f"{name}: {member.version} is fetched from the store at the start")


def _whose(config: Config, leader: Leader) -> str:
    if leader.holder == holder_of(config.state_dir):
        return "and that is this host"
    return f"and this host {'stands by' if is_held(config.state_dir) else 'could stand by'}"


def _unclear(conn: Connection, config: Config, name: str) -> Iterator[Finding]:
    """What was assumed or not understood of the newest files' formats, as long as the configuration says nothing."""
    intake = config.models[name].intake
    if intake.decimal is not None or intake.date_format is not None:
        return
    told: dict[str, str] = {}
    for row in files.listed(conn, name, "accepted", last=LISTED_FILES):
        told |= dict.fromkeys((row.quality or {}).get("unclear", ()), row.path)
    for text, path in told.items():
        yield Finding("warning", f"{name}: {printable(path)}: {text}", f"[models.{name}.intake]")


def _labels(conn: Connection, config: Config, name: str) -> Iterator[Finding]:
    from daemon.tools.doctor_labels import labels_told

    yield from (Finding(*told) for told in labels_told(conn, config, name))


def _items(conn: Connection, config: Config, name: str) -> Iterator[Finding]:
    from daemon.tools.doctor_recommendation import items_told

    yield from (Finding(*told) for told in items_told(conn, config, name))


def _version(config: Config, name: str, version: str) -> Finding:
    from retrain.stages.promote import prove_recommender, prove_version
    from retrain.store.versions import is_recorded, load_reference

    folder = config.paths.model(name).version(version)
    try:
        if config.models[name].task == "recommendation":
            prove_recommender(folder)
            return Finding("ok", f"{name}: {version} loads and answers its recorded histories")
        if config.models[name].is_elsewhere:
            if not is_recorded(folder):
                return Finding("ok", f"{name}: another system serves it; {version} is a model that was served before")
            prove_version(folder)
            load_reference(folder)
            return Finding("ok", f"{name}: another system serves it; {version}, its reference, can be read")
        loaded = prove_version(folder, config.models[name].estimator.trusted_types)
    except (DriftdError, OSError) as error:
        why, hint = (error.message, error.hint) if isinstance(error, DriftdError) else (str(error), "")
        way_out = hint or f"driftd rollback {name}, or retrain"
        return Finding("error", f"{name}: {version} cannot be served: {why}", way_out)
    try:
        loaded.metric  # noqa: B018 - of the user's code, looked for when it is asked for
    except DriftdError as error:
        return Finding("error", f"{name}: {version} is served, but cannot be judged: {error.message}", error.hint)
    return Finding("ok", f"{name}: {version} loads and answers its probe rows")
