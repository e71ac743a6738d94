"""`driftd replay`: the daemon's decisions over history, against baselines, for people and for machines."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from daemon.cli.app import run as command_line
from daemon.cli.session import SESSION
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.evidence import paired
from daemon.tools.replay.label_times import LabelTimes
from daemon.tools.replay.run import replay
from daemon.tools.replay.source import read_source
from daemon.tools.replay.subject import Request, inferred_subject
from daemon.tools.replay.suggest import candidates
from drift.report.replay import replay_page
from retrain.records.settings import ModelSettings

pytestmark = pytest.mark.xdist_group("replay")  # one result for most of them
BATCHES, INITIAL = 12, 3
FAST = "[models.m.estimator]\nparams = { max_iter = 8 }\n"
SECONDS = ("cpu_seconds", "cpu_seconds_by_window", "cpu_seconds_by_purpose", "cpu_seconds_lost")


def stream(rows: int = 2400, seed: int = 0, task: str = "classification") -> pa.Table:
    """Two numbers, a category, and a target whose meaning turns over at half of the rows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 2))
    turned = np.where(np.arange(rows) < rows / 2, 1.0, -1.0)
    signal = turned * X[:, 0] + 0.5 * X[:, 1] + 0.2 * rng.normal(size=rows)
    target = signal if task == "regression" else np.where(signal > 0, "yes", "no")
    return pa.table({"a": X[:, 0], "b <i>": X[:, 1], "c": rng.choice(["r", "g"], rows), "y": target})


def written(folder: Path, table: pa.Table, name: str = "history.parquet") -> Path:
    """The table as a file."""
    pq.write_table(table, folder / name)
    return folder / name


def configured(folder: Path, name: str = "conf.toml", task: str = "classification", more: str = FAST) -> Path:
    """A configuration of one small model."""
    path = folder / name
    path.write_text(f'[models.m]\ndata_dir = "d"\ntask = "{task}"\ntarget = "y"\n{more}', "utf-8")
    return path


@pytest.fixture
def driftd(capsys, monkeypatch, tmp_path):
    """Runs the command line in this process, in an empty folder: status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SESSION, "config_path", Path("config.toml"))
    monkeypatch.setattr(SESSION, "named", False)

    def run(*arguments: Any) -> tuple[int, str, str]:
        status = command_line([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


@pytest.fixture
def answer(driftd):
    """The JSON of a small replay."""

    def run(*arguments: Any, batches: int = BATCHES) -> dict[str, Any]:
        sizes = ("--batches", batches, "--initial", INITIAL, "--json")
        status, out, err = driftd("replay", *arguments, *sizes)
        assert status == 0, err
        return json.loads(out)

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One replay with all that a result can hold."""
    folder = tmp_path_factory.mktemp("whole")
    file = written(folder, stream())
    subject = inferred_subject(file, "y", "")
    estimator = subject.settings.estimator.model_copy(update={"params": {"max_iter": 8}})
    settings = subject.settings.model_copy(update={"estimator": estimator})
    subject = replace(subject, settings=settings)
    off = settings.adaptation.model_copy(update={"archive": 1, "recalibration": False})
    variant = replace(subject, name="plain", settings=settings.model_copy(update={"adaptation": off}))
    request = Request([file], subject, BATCHES, INITIAL, LabelTimes(), ("never", "every", "every4"), (variant,), True)
    return replay(request, folder)


def without_seconds(value: Any) -> Any:
    """The same without what a clock said."""
    if isinstance(value, dict):
        return {key: without_seconds(one) for key, one in value.items() if key not in SECONDS}
    return [without_seconds(one) for one in value] if isinstance(value, list) else value


def test_json_has_the_promised_shape(whole):
    """Names and types as documented; the initial batches have no score; JSON holds no NaN."""
    assert (whole["rows"], whole["batches"], whole["initial"]) == (2400, BATCHES, INITIAL)
    assert whole["metric"] == "balanced_accuracy"
    policy, never, every = whole["policy"], whole["baselines"]["never"], whole["baselines"]["every"]
    for told in (policy, never):
        assert told["scores"][:INITIAL] == [None] * INITIAL
        assert len(told["scores"]) == BATCHES and all(isinstance(s, float) for s in told["scores"][INITIAL:])
        assert told["mean"] == pytest.approx(np.mean(told["scores"][INITIAL:]))
        assert told["cpu_seconds"] > 0
    assert policy["retrains"] == len(policy["cycles"])
    spent, kept = policy["cpu_seconds_by_purpose"], [cycle for cycle in policy["cycles"] if not cycle["promoted"]]
    assert sum(cycle["cpu_seconds"] for cycle in policy["cycles"]) == pytest.approx(spent["retrains"])
    assert sum(cycle["cpu_seconds"] for cycle in kept) == pytest.approx(policy["cpu_seconds_lost"])
    assert policy["retrain_share"] == pytest.approx(policy["retrains"] / (BATCHES - INITIAL))
    for cycle in policy["cycles"]:
        assert {"batch", "trigger", "window", "promoted", "champion", "challenger", "reason"} <= set(cycle)
        assert INITIAL <= cycle["batch"] < BATCHES - 1
    assert set(every["windows"]) == {"last3", "last12", "all", "decay"} == set(every["cpu_seconds_by_window"])
    assert every["mean"] == max(every["windows"].values())
    share = (policy["mean"] - never["mean"]) / (every["mean"] - never["mean"])
    assert whole["recovered"] == pytest.approx(share)
    json.dumps(whole, allow_nan=False)


def test_retraining_pays_where_the_concept_turns(whole):
    """The planner sees it, and every batch's retrain is better than the first model for good."""
    assert whole["policy"]["mean"] > whole["baselines"]["never"]["mean"] + 0.05
    assert whole["baselines"]["every"]["mean"] > whole["baselines"]["never"]["mean"] + 0.05
    assert whole["policy"]["retrains"] >= 1
    assert whole["policy"]["scores"][INITIAL] == pytest.approx(whole["baselines"]["never"]["scores"][INITIAL], abs=0.03)


def test_a_periodic_baseline_retrains_on_its_clock(whole):
    """Each four batches after the first model, whatever the labels say."""
    told = whole["baselines"]["every4"]
    assert [cycle["batch"] for cycle in told["cycles"]] == [6, 10]
    assert {cycle["trigger"] for cycle in told["cycles"]} == {"period"}


def test_a_variant_stands_beside_the_policy(whole):
    """With its own scores, cycles and what it gains over the policy on the same batches."""
    told = whole["variants"]["plain"]
    assert len(told["scores"]) == BATCHES and "recovered" in told
    assert told["gain_over_policy"]["mean"] == pytest.approx(told["mean"] - whole["policy"]["mean"], abs=1e-9)
    assert not [one for one in told["deployments"] if one["kind"] == "reweigh"]


def test_a_suggestion_is_confirmed_where_it_was_not_chosen(whole):
    """It tells the grid, both halves, and a fragment only where it suggests a change."""
    told = whole["suggestion"]
    assert told["verdict"] in ("keep", "better", "cheaper")
    assert (told["toml"] is None) == (told["verdict"] == "keep")
    assert told["chosen_on_batches"][1] + 1 == told["confirmed_on_batches"][0]
    assert 2 <= len(told["tried"]) <= 8 and told["tried"][0]["name"] == "as it is"


def test_suggested_keys_are_accepted(tmp_path):
    """Each candidate's fragment, in a configuration, gives the settings that were tried."""
    from daemon.config.config import load_config
    from daemon.tools.replay.suggest import _fragment

    settings = ModelSettings(data_dir="d", task="classification", target="y")
    for candidate in candidates(settings):
        path = configured(tmp_path, more=_fragment("m", candidate))
        read = load_config(path).models["m"]
        assert read.model_copy(update={"data_dir": "d"}) == candidate.applied(settings)


def test_replayed_checks_compare_what_the_daemons_compare(tmp_path):
    """Hours and weekdays of dates and what free text is told by are in the reference, as the evaluate stage makes it."""
    rows = 600
    table = stream(rows).append_column("when", pa.array(np.arange(rows) * 3_600_000_000, pa.timestamp("us")))
    table = table.append_column("note", pa.array([f"order {i} arrived late and broken" for i in range(rows)]))
    subject = inferred_subject(written(tmp_path, table), "y", "")
    calendar = subject.settings.drift.model_copy(update={"calendar": True})
    settings = subject.settings.model_copy(update={"time_column": None, "drift": calendar})
    engine = Engine(read_source([tmp_path / "history.parquet"], settings, 5, tmp_path), settings, tmp_path, INITIAL)
    engine.play()
    (reference, *_) = engine.drift_checks.references.values()
    assert "when" not in reference.columns  # it numbers the hours: only what is made of it is compared
    assert {"a", "when (hour)", "when (weekday)", "note (length)", "note (trigrams)"} <= set(reference.columns)


def test_new_classes_stay_out_as_in_the_service(answer, tmp_path):
    """Mistyped labels and a class that comes later are noted, neither learned nor scored; or taken for approved."""
    table = stream(2000)
    labels = table.column("y").to_pylist()
    labels[600:603], labels[1500:1530] = ["YES"] * 3, ["later"] * 30
    file = written(tmp_path, table.set_column(table.column_names.index("y"), "y", pa.array(labels)))
    conf = configured(tmp_path)
    told = answer(file, "--config", conf, "--baselines", "never")
    note = next(note for note in told["notes"] if "do not count" in note)
    assert note.startswith("33 labels") and "'later' is a new class of 30 rows" in note and "likely mistyped" in note
    assert "--approve-classes" in note
    approved = answer(file, "--config", conf, "--baselines", "never", "--approve-classes")
    assert next(note for note in approved["notes"] if "do not count" in note).startswith("3 labels")


def test_two_runs_decide_the_same(answer, tmp_path):
    """All but the seconds."""
    file, conf = written(tmp_path, stream()), configured(tmp_path)
    first, second = (answer(file, "--config", conf, "--baselines", "never,every4") for _ in range(2))
    assert without_seconds(first) == without_seconds(second)


def test_labels_that_are_late_are_learned_late(answer, tmp_path):
    """With labels four batches late nothing is decided by a label before it is there: what it says changes nothing."""
    table, conf, turn = stream(), configured(tmp_path), BATCHES // 2
    labels = np.array(table["y"].to_pylist())
    labels[1200:] = np.where(labels[1200:] == "yes", "no", "yes")
    other = table.set_column(3, "y", pa.array(labels))
    one, two = (
        answer(written(tmp_path, rows), "--config", conf, "--delay", 4, "--baselines", "never")
        for rows in (table, other)
    )
    decided = [
        [one for kind in ("cycles", "deployments") for one in made["policy"][kind] if one["batch"] < turn + 4]
        for made in map(without_seconds, (one, two))
    ]
    assert decided[0] == decided[1] and one["policy"]["deployments"] != two["policy"]["deployments"]
    assert one["delay"] == 4 and one["labels"] == "labels 4 batches late" and one["recovered"] is None


def test_labels_that_come_class_by_class_are_replayed_from_the_command_line(answer, driftd, tmp_path):
    """The result says how labels came; options that contradict each other are wrong use."""
    file, conf = written(tmp_path, stream(1200)), configured(tmp_path)
    told = answer(file, "--config", conf, "--positives-first", 2, "--positive-class", "yes", "--baselines", "none",
                  batches=6)  # fmt: skip
    assert told["labels"] == "'yes' labels within 2 batches, the others after them"
    assert 0 < told["policy"]["labels"]["settled"] < told["policy"]["labels"]["rows"]
    for wrong, what in (
        (("--delay", "2", "--arrival", "random:5"), "--delay and --arrival each say"),
        (("--positive-class", "yes"), "goes with --positives-first"),
        (("--label-time", "a"), "--time COLUMN"),
        (("--positives-first", "2", "--positive-class", "maybe"), "no class of the first batches"),
    ):
        status, _, err = driftd("replay", file, "--config", conf, "--baselines", "none", *wrong)
        assert status == 2 and what in err


def test_each_label_comes_at_the_time_that_a_column_says(answer, driftd, tmp_path):
    """Nobody learns from that column; a configuration with another time column is told."""
    rows = 900
    at = np.arange(rows) * 3600
    table = stream(rows).append_column("at", pa.array(at * 1_000_000, pa.timestamp("us")))
    table = table.append_column("told", pa.array((at + 200 * 3600) * 1_000_000, pa.timestamp("us")))
    columns = ("--time", "at", "--label-time", "told", "--baselines", "none")
    told = answer(written(tmp_path, table), "--target", "y", *columns, batches=6)
    assert told["labels"] == "labels at the time of 'told'" and any("told" in note for note in told["notes"])
    assert told["policy"]["labels"]["labelled"] == 600 - 50  # of the five batches that were decided about
    conf = configured(tmp_path, more='time_column = "told"\n' + FAST)
    status, _, err = driftd("replay", tmp_path / "history.parquet", "--config", conf, "--time", "at")
    assert status == 2 and "leave --time out" in err


def test_several_files_are_a_batch_each(answer, tmp_path):
    """In the order given, of unequal length, as CSV too; --batches says nothing then."""
    table, start, files = stream(), 0, []
    for number in range(8):
        length = 200 + 40 * number
        name = tmp_path / f"m{number}.csv"
        pyarrow.csv.write_csv(table.slice(start, length), name)
        files, start = [*files, name], start + length
    told = answer(*files, "--config", configured(tmp_path), "--baselines", "never")
    assert told["batches"] == 8 and told["rows"] == min(start, 2400)
    assert any("a batch each" in note for note in told["notes"])


def test_a_target_alone_is_enough(answer, tmp_path):
    """The task is inferred as `init` does; a numeric target is a regression with the MAE skill score."""
    table = stream(900, task="regression").select(["a", "y"])
    told = answer(written(tmp_path, table), "--target", "y", "--baselines", "never", batches=6)
    assert (told["task"], told["metric"]) == ("regression", "mae_skill")


def test_a_batch_of_one_class_has_no_score(answer, tmp_path):
    """It is null, left out of the mean, and told."""
    table = stream()
    labels = table["y"].to_pylist()
    labels[1000:1200] = ["no"] * 200
    table = table.set_column(3, "y", pa.array(labels))
    told = answer(written(tmp_path, table), "--config", configured(tmp_path), "--baselines", "never")
    assert told["policy"]["scores"][5] is None and told["baselines"]["never"]["scores"][5] is None
    assert any("one class only" in note for note in told["notes"])


def test_a_user_metric_judges_a_regression(answer, tmp_path):
    """Of a file beside the configuration, smaller being better: the best window is the one with the least."""
    (tmp_path / "own.py").write_text(
        "import numpy as np\n\n\ndef worst(y, said, weight):\n"
        "    return float(np.quantile(np.abs(y - said), 0.9))\n\n\nworst.greater_is_better = False\n"
    )
    conf = configured(tmp_path, task="regression", more='metric = "own.py:worst"\n' + FAST)
    file = written(tmp_path, stream(task="regression"))
    told = answer(file, "--config", conf, "--baselines", "never,every")
    every, never = told["baselines"]["every"], told["baselines"]["never"]
    assert told["metric"] == "own.py:worst" and told["greater_is_better"] is False
    assert every["mean"] == min(every["windows"].values()) < never["mean"]
    assert told["policy"]["mean"] < never["mean"] and told["recovered"] > 0


def test_an_estimator_by_configuration(answer, tmp_path):
    """Logistic regression through the global -c, with --model."""
    conf = configured(tmp_path, more='[models.m.estimator]\ntype = "sklearn.linear_model.LogisticRegression"\n')
    file = written(tmp_path, stream())
    os.chdir(tmp_path)
    status = answer(file, "--config", conf, "--model", "m", "--baselines", "never")
    assert status["policy"]["mean"] > status["baselines"]["never"]["mean"]


def test_the_configuration_may_stand_before_or_after(driftd, tmp_path):
    """-c before the command and --config after it mean the same."""
    file, conf = written(tmp_path, stream()), configured(tmp_path)
    sizes = ("--batches", 8, "--initial", 3, "--baselines", "never", "--json")
    after = driftd("replay", file, "--config", conf, "--target", "y", *sizes)
    before = driftd("-c", conf, "replay", file, "--model", "m", *sizes)
    assert before[0] == after[0] == 0
    assert without_seconds(json.loads(before[1])) == without_seconds(json.loads(after[1]))


def test_text_tells_people(driftd, tmp_path):
    """A line a policy, what was recovered, and each cycle with its reason; no progress in a pipe."""
    file, conf = written(tmp_path, stream()), configured(tmp_path)
    sizes = ("--batches", BATCHES, "--initial", INITIAL)
    status, out, err = driftd("replay", file, "--config", conf, *sizes, "--html", "page.html")
    assert status == 0 and err == ""
    assert {"driftd", "never", "every", "  last3"} <= {line.split("  ")[0] or line[:7] for line in out.splitlines()}
    assert "Recovered" in out and " → balanced_accuracy" in out and "wrote page.html" in out
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_the_page_needs_no_network_and_escapes_names(whole):
    """Nothing is loaded, no script runs, and what users named is text."""
    named = json.loads(json.dumps(whole))
    named["target"], named["metric"] = '<img src="x">', "<script>alert(1)</script>"
    named["variants"] = {'"><b>bold</b>': whole["variants"]["plain"]}
    named["policy"]["cycles"][0]["reason"] = "<script>x</script>"
    page = replay_page(named)
    assert "<script" not in page and "<img" not in page and "<b>" not in page
    assert (
        "http:" not in page and "https:" not in page and "url(" not in page and "src=" not in page.replace("&quot;", "")
    )
    assert "<svg" in page and page == replay_page(named)


def test_marks_of_the_page_tell_their_reasons(whole):
    """Hovering a retrain says why."""
    import html

    page = html.unescape(replay_page(whole))
    for cycle in whole["policy"]["cycles"]:
        assert f"<title>after batch {cycle['batch']}: {cycle['reason'][:40]}" in page


WRONG = [
    ((), "--target"),
    (("--target", "z"), "'z' is no column"),
    (("--target", "y", "--baselines", "sometimes"), "expected never, every, or everyN"),
    (("--target", "y", "--batches", "50", "--initial", "50"), "leaves too few"),
    (("--target", "y", "--task", "clustering"), "expected classification or regression"),
    (("--target", "y", "--model", "m"), "needs a configuration"),
    (("--config", "absent.toml"), "no such file"),
    (("--config", "conf.toml", "--target", "a"), "target 'y', not 'a'"),
    (("--config", "conf.toml", "--model", "other"), "no model 'other'"),
    (("--target", "y", "--html", "absent/page.html"), "no folder"),
    (("--config", "conf.toml", "--variant", "number.toml"), "task is 'regression'"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG, ids=lambda value: " ".join(value) if value else "nothing")
def test_wrong_use_is_told_with_the_way_out(driftd, tmp_path, arguments, told):
    """Status 2, one sentence, no traceback."""
    file = written(tmp_path, stream(300))
    configured(tmp_path)
    configured(tmp_path, "number.toml", task="regression")
    status, out, err = driftd("replay", file, *arguments)
    assert status == 2 and out == "" and told in err and "Traceback" not in err


def test_files_that_cannot_be_replayed_are_refused(driftd, tmp_path):
    """Status 3: no such file, too few rows, or initial batches that give no model."""
    conf = configured(tmp_path)
    status, _, err = driftd("replay", "absent.csv", "--config", conf)
    assert status == 3 and "no such file" in err
    few = written(tmp_path, stream(40), "few.parquet")
    status, _, err = driftd("replay", few, "--config", conf, "--batches", 50)
    assert status == 3 and "fewer --batches" in err
    one = stream(1200).set_column(3, "y", pa.array(["no"] * 600 + ["yes"] * 600))
    status, _, err = driftd("replay", written(tmp_path, one, "one.parquet"), "--config", conf, "--batches", 12)
    assert status == 3 and "--initial" in err


def test_differences_are_paired_and_cautious():
    """A constant gain is sure, one that alternates is not; too few batches say nothing."""
    sure = paired([0.8] * 20, [0.7] * 20, True)
    assert sure.low == pytest.approx(0.1) and sure.high == pytest.approx(0.1)
    unsure = paired([0.7, 0.9] * 10, [0.81, 0.77] * 10, True)
    assert unsure.low < 0 < unsure.high
    assert paired([0.8, None], [0.7, 0.7], True).mean is None
    assert paired([0.8] * 20, [0.7] * 20, False).mean == pytest.approx(-0.1)
