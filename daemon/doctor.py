"""Looks at everything that driftd stands on, and says what to do: what `driftd doctor` prints."""

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.config import Config, ConfigErrors, load_config, model_data_dir
from daemon.ledger import Ledger, models, open_ledger, promotions
from daemon.ledger.sound import refuse_missing
from daemon.lock import is_held
from retrain.errors import DriftdError

WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")
FEW_WATCHES = 8192


@dataclass(frozen=True)
class Finding:
    """`level` is ok, warning or error; `way_out` says what to do."""

    level: str
    what: str
    way_out: str = ""


def examine(config_path: Path) -> list[Finding]:
    """All findings, in the order in which they should be mended."""
    try:
        config = load_config(config_path)
    except ConfigErrors as error:
        return [Finding("error", line) for line in error.errors]
    found = [Finding("ok", f"{config.path}: {len(config.models)} model{'s' * (len(config.models) != 1)}")]
    found += _state(config)
    for name in config.models:
        found += [*_data_dir(config, name), *_learner(config, name)]
    found += [*_limits(), *_port(config), *_environment()]
    found += _ledger(config)
    return found


def _state(config: Config) -> Iterator[Finding]:
    folder = config.state_dir
    place = folder if folder.exists() else folder.parent
    if not os.access(place, os.W_OK):
        yield Finding(
            "error", f"{place} may not be written by this user", "run as the service's user, or change its owner"
        )
        return
    free = shutil.disk_usage(place if place.exists() else "/").free
    if free < config.service.min_free:
        needed = f"[service] min_free is {config.service.min_free:,}"
        yield Finding("error", f"{folder} has {free:,} free bytes; {needed}", "free some space")
    else:
        yield Finding("ok", f"state in {folder}, {free / 1e9:.1f} GB free")


def _data_dir(config: Config, name: str) -> Iterator[Finding]:
    folder = model_data_dir(config, name)
    if not folder.exists():
        yield Finding("warning", f"{name}: {folder} does not exist", "the service makes it; or correct data_dir")
    elif not folder.is_dir():
        yield Finding("error", f"{name}: {folder} is no folder", "correct data_dir")
    elif not os.access(folder, os.R_OK | os.X_OK):
        yield Finding("error", f"{name}: {folder} may not be read by this user", "change its mode or group")
    else:
        yield Finding("ok", f"{name}: watches {folder}")


def _learner(config: Config, name: str) -> Iterator[Finding]:
    """The metric and the estimator, which otherwise the first training would find wrong."""
    from retrain.estimators import make_estimator
    from retrain.metrics import MetricContext, get_metric

    settings, folder = config.models[name], config.path.parent
    try:
        if settings.metric != "auto":
            get_metric(settings.metric, MetricContext(settings.task, 0.0, folder))
        estimator = make_estimator(settings.estimator, settings.task, folder)
    except DriftdError as error:
        yield Finding("error", f"{name}: {error.message}", error.hint)
        return
    yield Finding("ok", f"{name}: trains {type(estimator).__name__}")


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
        yield Finding("ok", f"the service runs and serves on {config.service.listen}")
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            way_out = "stop what uses it, or set another [service] listen"
            yield Finding("error", f"cannot listen on {config.service.listen}: {error.strerror}", way_out)
            return
    yield Finding("ok", f"{config.service.listen} is free; the service is not running")


def _environment() -> Iterator[Finding]:
    from importlib.metadata import version

    names = ("driftd", "scikit-learn", "scipy", "numpy", "duckdb", "pyarrow")
    yield Finding("ok", ", ".join(f"{name} {version(name)}" for name in names))


def _ledger(config: Config) -> Iterator[Finding]:
    if not (config.state_dir / "ledger.sqlite").exists():
        yield _no_ledger(config)
        return
    try:
        ledger = open_ledger(config.state_dir, create=False, read_only=True)
    except DriftdError as error:
        yield Finding("error", error.message, error.hint)
        return
    try:
        yield from _inside(config, ledger)
    finally:
        ledger.close()


def _no_ledger(config: Config) -> Finding:
    try:
        refuse_missing(config.state_dir / "ledger.sqlite")
    except DriftdError as error:
        return Finding("error", error.message, error.hint)
    return Finding("ok", "no ledger yet: the service has not run with this state_dir")


def _inside(config: Config, ledger: Ledger) -> Iterator[Finding]:
    with ledger.connect() as conn:
        answer = conn.exec_driver_sql("PRAGMA quick_check").scalar()
        if answer != "ok":
            yield Finding(
                "error",
                f"the ledger is damaged: {answer}",
                "stop the service; `driftd restore DIR` brings a backup back",
            )
            return
        yield Finding("ok", "the ledger is sound")
        for name in config.models:
            champion = promotions.champion(conn, name)
            row = models.get(conn, name)
            if champion is None:
                waits = row.waits_for if row is not None else ""
                yield Finding("ok", f"{name}: no version yet" + (f"; {waits}" if waits else ""))
                continue
            for member in champion.deployment.members:
                yield _version(config, name, member.version)


def _version(config: Config, name: str, version: str) -> Finding:
    from retrain.promote import prove_version

    folder = config.state_dir / "versions" / name / version
    try:
        prove_version(folder, config.models[name].estimator.trusted_types)
    except (DriftdError, OSError) as error:
        return Finding("error", f"{name}: {version} cannot be served: {error}", f"driftd rollback {name}, or retrain")
    return Finding("ok", f"{name}: {version} loads and answers its probe rows")
