"""One group of rows of a stream does worse while the whole does not: told by a real service within three files."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from daemon_harness import Daemon, drop, rows

pytestmark = pytest.mark.timeout(900)
CONFIG = """\
[models.m.intake]
settle = "100ms"
rescan = "500ms"
[models.m.triggers]
first_rows = 300
on_drift = false
on_performance = false
growth = 1e9
regret = false
[models.m.adaptation]
recalibration = false
archive = 1
[models.m.gate]
slices = ["region"]
[models.m.groups]
positive = "yes"
"""
REGIONS = ("north", "south", "east", "west")
SHARES = (0.08, 0.4, 0.3, 0.22)


def regional(seed: int, is_odd: bool = False) -> pa.Table:
    """2,500 rows of four regions; where it is odd, two of three labels in the north, 8 % of the rows, follow another
    rule: the whole does worse by less than .02."""
    rng = np.random.default_rng(seed)
    usual, other = rows(seed, 2500), rows(seed, 2500, flip=True)
    regions = rng.choice(REGIONS, 2500, p=SHARES)
    odd = (regions == "north") & (rng.random(2500) < 0.67) & is_odd
    label = np.where(odd, other["label"].to_numpy(zero_copy_only=False), usual["label"].to_numpy(zero_copy_only=False))
    table = usual.drop_columns(["label"])
    return table.append_column("region", pa.array(regions)).append_column("label", pa.array(label))


def test_a_group_that_does_worse_is_told_while_the_whole_is_as_before(make_daemon: Callable[..., Daemon]) -> None:
    """Five files as ever, then the north changes: within three files it is told, it alone, and that performance dropped
    is not; `status` names it."""
    daemon = make_daemon(CONFIG, columns=False).start()
    drop(regional(1), daemon.data / "a.csv")
    daemon.wait("model_swapped")

    def take(number: int, is_odd: bool = False) -> None:
        since = len(daemon.events)
        drop(regional(number, is_odd), daemon.data / f"{number:02d}.csv")
        daemon.wait("labels_assessed", since=since)

    def logged(event: str) -> list[dict[str, object]]:
        return [one for one in daemon.events if one["event"] == event]

    for number in range(2, 7):
        take(number)
    assert not logged("slice_degraded")
    for number in range(7, 10):
        take(number, is_odd=True)
    told = daemon.wait("slice_degraded")
    assert len(told["groups"]) == 1 and told["groups"][0].startswith("region is north: 0.")
    assert not logged("performance_dropped")
    assert "GROUP      region is north" in daemon.cli("status").stdout
    groups = daemon.json("status")["models"]["m"]["groups"]
    assert [one["group"] for one in groups["degraded"]] == ["north"] and groups["files"] == 8
    assert len(logged("slice_degraded")) == 1
