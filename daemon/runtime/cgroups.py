"""Serving and training in control groups of their own, so that training gets what serving leaves.

Only where systemd delegated the unit's group (`Delegate=`) and the unit says so in its environment: anywhere else the
groups belong to others. Sources: systemd's CGROUP_DELEGATION document; the kernel's cgroup-v2, "No Internal Process
Constraint" (processes live in leaves only, so that control moves before it hands controllers down)."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from daemon.runtime.log import get_logger

log = get_logger()
DELEGATED = "DRIFTD_DELEGATED"
WEIGHTS = {"serving": 1000, "training": 10}
"""Shares of processor time where both want all of it; the kernel's default is 100."""


def divide(environment: Mapping[str, str]) -> Path | None:
    """Make both groups and move this process, and with it its children to come, to `serving`.

    Returns the group `training`, for `enter`; None where nothing is delegated, or where it fails (logged)."""
    if environment.get(DELEGATED) != "1":
        return None
    try:
        unit = _own_group()
        for name in WEIGHTS:
            (unit / name).mkdir(exist_ok=True)
        enter(unit / "serving")
        if "cpu" in (unit / "cgroup.controllers").read_text().split():
            (unit / "cgroup.subtree_control").write_text("+cpu")
            for name, weight in WEIGHTS.items():
                (unit / name / "cpu.weight").write_text(str(weight))
        return unit / "training"
    except (OSError, LookupError) as error:
        log.warning("groups_failed", reason=str(error))
        return None


def enter(group: Path) -> None:
    """Move this process there."""
    (group / "cgroup.procs").write_text("0")


def _own_group() -> Path:
    """This process's group in the one hierarchy of version 2."""
    mounts = (line.partition(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines())
    mount = next((place.split()[3:5] for place, _, kind in mounts if kind.startswith("cgroup2 ")), None)
    groups = Path("/proc/self/cgroup").read_text().splitlines()
    path = next((line[3:] for line in groups if line.startswith("0::")), None)
    if mount is None or path is None:
        raise LookupError("no cgroup2 is mounted" if mount is None else "this process is in no group of version 2")
    inside = path.removeprefix(mount[0]) if mount[0] != "/" else path
    return Path(mount[1]) / inside.lstrip("/")


def try_to_enter(group: str) -> None:
    """What a child does at its start; where it fails, it works where its parent does."""
    if group:
        with suppress(OSError):
            enter(Path(group))
