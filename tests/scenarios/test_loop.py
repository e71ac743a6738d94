"""Whole-daemon stories: from a dropped file to a swapped model, and through everything that goes wrong."""

from collections.abc import Callable

from daemon_harness import FAST, Daemon, Load, drop, rows
from helpers import wait_for


def test_first_model_drift_retrain_promotion_swap_under_load(make_daemon: Callable[..., Daemon]) -> None:
    """A dropped file becomes a model; a drifted one a better model; nobody's request fails meanwhile. What the old
    champion said of a file that arrives in the cycle opens nothing; the new one judges it again."""
    daemon = make_daemon(FAST).start()
    drop(rows(1), daemon.data / "a.csv")
    first = daemon.wait("version_promoted")
    daemon.wait("model_swapped", version=first["version"])
    with Load(daemon.predict) as load:
        drop(rows(2, 2000, shift=2.0, flip=True), daemon.data / "b.parquet")
        daemon.wait("drift_detected")
        daemon.wait("performance_dropped")
        daemon.wait("cycle_opened", since=daemon.events.index(first) + 1)
        drop(rows(3, 500, shift=2.0, flip=True), daemon.data / "c.csv")
        daemon.wait("check_finished", file="c.csv", version=first["version"])
        second = daemon.wait("version_promoted", since=daemon.events.index(first) + 1)
        daemon.wait("model_swapped", version=second["version"])
        assert daemon.wait("check_finished", file="c.csv", version=second["version"])["drift"] is False
        answers = load.answers
        wait_for(lambda: load.answers > answers + 20)
    assert load.failures == []
    assert load.versions == {first["version"], second["version"]}
    assert daemon.predict().json()["version"] == second["version"]
    story = daemon.cli("explain", str(second["cycle_id"])).stdout
    assert "accuracy" in story and "promoted" in story
    assert len([one for one in daemon.json("history") if one["kind"] == "cycle"]) == 2
    assert daemon.stop() == 0


def test_bad_files_leave_the_champion_serving(make_serving: Callable[[str], Daemon]) -> None:
    """A bad file costs a message and nothing else; a file of one class is taken and checked."""
    daemon = make_serving(FAST)
    first = daemon.wait("model_swapped")
    with Load(daemon.predict, threads=2) as load:
        (daemon.data / "broken.csv").write_text("this,is\nnot,it\n")
        refused = daemon.wait("file_refused", file="broken.csv")
        assert "missing" in refused["reason"]
        bad = rows(3)
        bad = bad.set_column(3, "label", [["yes"] * bad.num_rows])
        drop(bad, daemon.data / "one_class.csv")
        daemon.wait("file_accepted", file="one_class.csv")
        daemon.wait("check_finished", file="one_class.csv")
    assert load.failures == []
    assert load.versions == {first["version"]} or len(load.versions) == 2
    assert daemon.stop() == 0


def test_a_factory_that_dies_is_retried_then_told_and_the_champion_serves_on(
    make_daemon: Callable[..., Daemon],
) -> None:
    """A training child that kills itself fails its cycle after the configured attempts."""
    daemon = make_daemon(FAST + 'max_attempts = 2\n[models.m.estimator]\ntype = "factory.py:make"\n')
    (daemon.folder / "factory.py").write_text(
        "import os, pathlib\nfrom sklearn.tree import DecisionTreeClassifier\n"
        "def make(**params):\n"
        f"    if pathlib.Path({str(daemon.folder / 'die')!r}).exists():\n        os.kill(os.getpid(), 9)\n"
        "    return DecisionTreeClassifier(max_depth=3, random_state=0)\n"
    )
    daemon.start()
    drop(rows(1), daemon.data / "a.csv")
    first = daemon.wait("version_promoted")
    daemon.wait("model_swapped")
    (daemon.folder / "die").touch()
    with Load(daemon.predict, threads=2) as load:
        drop(rows(2, 1500, shift=2.0), daemon.data / "b.csv")
        finished = daemon.wait("cycle_finished", outcome="failed")
    assert load.failures == [] and load.versions == {first["version"]}
    assert len(list(daemon.seen("stage_failed", cycle_id=finished["cycle_id"]))) == 2
    answer = daemon.predict()
    assert answer.status_code == 200 and answer.json()["version"] == first["version"]


def test_unlabelled_files_are_checked_and_never_trained_on(make_serving: Callable[[str], Daemon]) -> None:
    """A file without labels is valid: it is checked and predicted, and opens no training on its rows."""
    daemon = make_serving(FAST)
    since = len(daemon.events)
    drop(rows(2, 1500, shift=2.0).drop_columns(["label"]), daemon.data / "b.csv")
    accepted = daemon.wait("file_accepted", file="b.csv")
    assert accepted["labelled_rows"] == 0
    daemon.wait("drift_detected", since=since)
    reasons = daemon.seen
    wait_for(
        lambda: any("label" in event["reason"] for event in reasons("waiting_for_data", since=since)),
        what="the planner to wait for labels",
    )
    finished = daemon.wait("check_finished", since=since, file="b.csv")
    assert finished["value"] is None and 0.5 < finished["estimated"] <= 1 and finished["estimated_rows"] == 1500
    told = daemon.json("versions", "m")[0]
    assert told["labelled"] is None and told["estimated"]["value"] == finished["estimated"]
    for command in (("versions", "m"), ("status",)):
        text = daemon.cli(*command).stdout
        assert f"{finished['estimated']:.4f}" in text and "blind to concept drift" in text
    assert not list(daemon.seen("cycle_opened", since=since))


def test_a_restart_goes_on_where_it_stopped(make_serving: Callable[[str], Daemon]) -> None:
    """A stopped and restarted daemon serves the same version and takes no file twice; pause and resume take effect at
    once, and retrain asked for while it is down runs at the next start."""
    daemon = make_serving(FAST)
    first = daemon.wait("model_swapped")
    daemon.cli("pause", "m")
    daemon.wait("command_done", command="pause")
    daemon.cli("resume", "m")
    daemon.wait("command_done", command="resume")
    assert daemon.stop() == 0
    since = len(daemon.events)
    drop(rows(1), daemon.data / "copy.csv")
    daemon.cli("retrain", "m")
    daemon.start()
    assert daemon.predict().json()["version"] == first["version"]
    daemon.wait("file_duplicate", file="copy.csv", since=since)
    assert daemon.wait("cycle_opened", since=since)["trigger"] == "manual"
    assert not list(daemon.seen("file_accepted", since=since))
