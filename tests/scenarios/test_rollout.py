"""A whole daemon that tries a challenger on live traffic before it is promoted: shadow, canary, and how trials end."""

from collections.abc import Callable
from typing import Any

import local_http
import pytest
from daemon_harness import Daemon, Load, drop, rows
from helpers import wait_for

from daemon.server.sticky import position

QUICK = """\
[models.m.intake]
settle = "100ms"
rescan = "500ms"
[models.m.triggers]
first_rows = 300
cooldown = "100ms"
regret = false
growth = {growth}
[models.m.window]
kind = "files"
files = 1
[models.m.suspicion]
hold = false
[models.m.adaptation]
archive = 1
recalibration = false
[models.m.rollout]
strategy = "{strategy}"
min_rows = {min_rows}
period = "{period}"
{more}
"""
ROW = {"x": 0.3, "z": -1.0, "colour": "red"}


def config(strategy: str, min_rows: int, period: str = "100ms", growth: str = "false", more: str = "") -> str:
    """Challengers learn from the newest file only; nothing but growth or a person opens a cycle."""
    return QUICK.format(strategy=strategy, min_rows=min_rows, period=period, growth=growth, more=more)


def served(daemon: Daemon) -> str:
    """The first version, of a file of kind A: there the label depends on x."""
    return str(daemon.wait("model_swapped")["version"])


def challenged(daemon: Daemon, since: int, by_hand: bool = True) -> dict[str, Any]:
    """A file of kind B, where the label depends on z, leads to a challenger that every server holds; the event."""
    drop(rows(2 + since, 1200, shift=2.0, flip=True), daemon.data / f"b{since}.csv")
    if by_hand:
        daemon.wait("check_finished", since=since, file=f"b{since}.csv")
        daemon.cli("retrain", "m")
    begun = daemon.wait("trial_started", since=since)
    wait_for(lambda: trial(daemon), what="the server to hold the challenger")
    return begun


def trial(daemon: Daemon) -> dict[str, Any] | None:
    """The challenger that the server holds."""
    told: dict[str, Any] | None = local_http.get(f"{daemon.url}/v2/models/m").json()["trial"]
    return told


def answers(daemon: Daemon, keys: list[Any]) -> list[str]:
    """Which version answered a request of one row for each key; None asks without an id."""
    found = []
    with local_http.Client() as client:
        for key in keys:
            body: dict[str, Any] = {"rows": [ROW]} if key is None else {"rows": [ROW], "ids": [key]}
            answer = client.post(f"{daemon.url}/models/m/predict", json=body)
            assert answer.status_code == 200, answer.text
            found.append(answer.json()["version"])
    return found


def standing(daemon: Daemon) -> Any:
    """The model's trial as `driftd status` tells it."""
    return daemon.json("status")["models"]["m"]["trial"]


def test_shadow_promote_degrade_roll_back(make_serving: Callable[[str], Daemon]) -> None:
    """A challenger answers in shadow, unseen, and is promoted for it; when the world turns back, so does the daemon."""
    daemon = make_serving(config("shadow", 50, growth="2"))
    champion = served(daemon)
    begun = challenged(daemon, len(daemon.events), by_hand=False)
    challenger = begun["version"]
    assert (begun["strategy"], begun["share"]) == ("shadow", 1.0) and challenger != champion
    assert set(answers(daemon, [None] * 30)) == {champion}
    told = wait_for(lambda: (t := standing(daemon))["rows"] == 30 and t, what="the rows in shadow")
    assert (told["version"], told["failures"], told["compared"]) == (challenger, 0, 30)
    assert "30 rows answered in shadow, no failures" in daemon.cli("status").stdout
    assert "on trial" in daemon.cli("versions", "m").stdout
    assert "not over before" in daemon.cli("explain", str(begun["cycle_id"])).stdout
    with Load(daemon.predict, threads=2) as load:
        finished = daemon.wait("trial_finished", version=challenger)
        daemon.wait("model_swapped", version=challenger)
    assert finished["outcome"] == "promoted" and load.failures == []
    promoted = daemon.wait("version_promoted", version=challenger)
    assert "its trial found no harm" in promoted["reason"] and trial(daemon) is None
    assert "in shadow" in daemon.cli("explain", str(begun["cycle_id"])).stdout
    since = len(daemon.events)
    drop(rows(50, 1000), daemon.data / "c.csv")
    back = daemon.wait("version_rolled_back", since=since)
    assert (back["version"], back["from_version"]) == (champion, challenger)
    story = daemon.cli("explain", str(begun["cycle_id"])).stdout
    assert "is worse than its predecessor" in back["reason"] and back["reason"] in story
    assert "c.csv: worse (+) by +0." in story and f"{challenger} is undone" in daemon.cli("history", "m").stdout
    daemon.wait("model_swapped", since=since, version=champion)
    assert set(answers(daemon, [None] * 5)) == {champion}
    assert daemon.stop() == 0


@pytest.mark.long
def test_a_canary_gets_its_share_of_the_ids_and_nobody_notices(make_serving: Callable[[str], Daemon]) -> None:
    """The same ids always reach the challenger, requests without ids by their share; no request fails, also not when it
    becomes the champion."""
    daemon = make_serving(config("canary", 160, more="share = 0.25"))
    champion = served(daemon)
    begun = challenged(daemon, len(daemon.events))
    challenger = begun["version"]
    keys = [f"r{number}" for number in range(120)]
    expected = [challenger if position("trial-1", key) < 0.25 else champion for key in keys]
    assert answers(daemon, keys) == expected and answers(daemon, keys) == expected
    assert answers(daemon, [None] * 40).count(challenger) == 10
    own = 2 * expected.count(challenger) + 10
    told = wait_for(lambda: (t := standing(daemon))["rows"] == own and t, what="the rows of the challenger")
    assert (told["failures"], told["share"]) == (0, 0.25) and told["compared"] == own
    with Load(daemon.predict, threads=2) as load:
        finished = daemon.wait("trial_finished", version=challenger)
        daemon.wait("model_swapped", version=challenger)
    assert finished["outcome"] == "promoted" and "of live traffic" in finished["reason"]
    assert load.failures == [] and load.versions == {champion, challenger}
    assert set(answers(daemon, keys)) == {challenger}


@pytest.mark.long
def test_a_challenger_that_labels_prove_worse_is_dropped_before_its_time(make_serving: Callable[[str], Daemon]) -> None:
    """Labelled files that arrive during the trial compare the two; worse beyond doubt ends it at once."""
    daemon = make_serving(config("canary", 0, period="1h"))
    champion = served(daemon)
    begun = challenged(daemon, len(daemon.events))
    drop(rows(50, 1000), daemon.data / "c.csv")
    finished = daemon.wait("trial_finished", version=begun["version"])
    assert finished["outcome"] == "kept" and "labelled rows of its trial" in finished["reason"]
    ended = daemon.wait("cycle_finished", cycle_id=begun["cycle_id"])
    assert ended["outcome"] == "kept"
    wait_for(lambda: trial(daemon) is None, what="the server to let it go")
    assert set(answers(daemon, [f"r{number}" for number in range(40)])) == {champion}
    told = daemon.json("explain", str(begun["cycle_id"]))["trial"]
    assert told["outcome"] == "dropped" and told["labelled_rows"] > 500
    assert "dropped" in daemon.cli("versions", "m").stdout


@pytest.mark.long
def test_a_trial_outlives_a_restart_and_ends_by_hand(make_serving: Callable[[str], Daemon]) -> None:
    """It goes on after a restart and while paused; `rollback` drops the challenger, `promote` lets it through."""
    daemon = make_serving(config("shadow", 0, period="1h"))
    champion = served(daemon)
    challenger = challenged(daemon, len(daemon.events))["version"]
    daemon.cli("pause", "m")
    assert daemon.stop() == 0
    daemon.start()
    assert trial(daemon)["version"] == standing(daemon)["version"] == challenger
    daemon.cli("resume", "m")
    since = len(daemon.events)
    answer = daemon.cli("rollback", "m").stdout
    assert challenger in answer and "dropped" in answer and champion in answer
    assert daemon.wait("trial_finished", since=since)["outcome"] == "kept"
    second = challenged(daemon, len(daemon.events))["version"]
    daemon.cli("promote", "m", second)
    daemon.wait("model_swapped", version=second)
    cycles = [entry for entry in daemon.json("history") if entry["kind"] == "cycle"]
    assert [entry["state"] for entry in cycles] == ["promoted", "kept", "promoted"]
    assert standing(daemon) is None
