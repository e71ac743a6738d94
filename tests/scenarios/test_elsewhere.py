"""A model that another system serves, watched by a real daemon: its files have what that system predicted."""

from pathlib import Path

import local_http
import numpy as np
import pyarrow as pa
import pytest
from daemon_harness import FAST, Daemon, drop
from helpers import wait_for
from receivers import Receiver, receiver

EXTRA = """\
served = "elsewhere"
prediction_column = "said"
probability_columns = { yes = "score_yes", no = "score_no" }
version_column = "by"
id_column = "id"
# no estimator
"""
COLUMNS = """\
[models.m.columns]
id = "integer"
x = "number"
z = "number"
label = "category"
said = "category"
"""


def answered(
    seed: int, n: int = 400, shift: float = 0.0, weight: float = 2.0, flip: bool = False, by: str = "3.1"
) -> pa.Table:
    """Rows that the other system answered by a logistic model of x alone, and what was true; with `flip` the truth
    follows z instead."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(shift, 1.0, n), rng.normal(0.0, 1.0, n)
    yes = 1 / (1 + np.exp(-weight * x))
    truth = rng.uniform(size=n) < 1 / (1 + np.exp(-2 * (z if flip else x)))
    return pa.table(
        {
            "id": np.arange(n) + 100_000 * seed, "x": x, "z": z, "label": np.where(truth, "yes", "no"),
            "said": np.where(yes > 0.5, "yes", "no"), "score_yes": yes, "score_no": 1 - yes, "by": [by] * n,
        }
    )  # fmt: skip


def unlabelled(table: pa.Table) -> pa.Table:
    """As it was predicted, before the truth is known."""
    return table.drop_columns(["label"])


@pytest.fixture
def told():
    """Who is notified."""
    with receiver() as one:
        yield one


def notifying(told: Receiver) -> str:
    return f'[[notify]]\nname = "ops"\nurl = "{told.url}"\n'


@pytest.fixture
def daemon(tmp_path: Path, told: Receiver):
    """Watching, without challengers."""
    one = Daemon(tmp_path, EXTRA + FAST + COLUMNS + notifying(told), columns=False)
    yield one
    one.close()


def test_features_predictions_and_performance_are_watched(daemon, told):
    """The first file with enough rows is the reference, and nobody here answers for it. Then drifted features are told,
    drifted predictions of rows that did not drift, estimated performance of rows without labels, and a drop that late
    labels show. Bad predictions are set aside or refused. A new version of the other system begins a new reference, and so
    does `driftd renew`."""
    daemon.start()
    drop(answered(1), daemon.data / "a.csv")
    made = daemon.wait("version_promoted")
    assert "400 rows of 3.1 of 1 file, 400 of them labelled" in made["reason"]
    nobody_answers(daemon)
    bad_predictions(daemon)
    drop(unlabelled(answered(2)), daemon.data / "b.csv")
    quiet = daemon.wait("check_finished", file="b.csv")
    assert not quiet["drift"]
    assert abs(quiet["estimated"] - 0.8) < 0.08
    drop(unlabelled(answered(3, shift=1.0)), daemon.data / "c.csv")
    assert "x" in daemon.wait("drift_detected", file="c.csv")["columns"]
    drop(unlabelled(answered(4, weight=0.4)), daemon.data / "d.csv")
    assert daemon.wait("check_finished", file="d.csv")["drift"]
    drifted = daemon.json("status")["models"]["m"]["last_check"]["drifted"]
    assert "p_yes" in drifted  # an output, by its class
    assert not {"x", "z", "said", "score_yes"} & set(drifted)
    late = answered(5, flip=True, n=800)
    drop(unlabelled(late), daemon.data / "e.csv")
    daemon.wait("check_finished", file="e.csv")
    drop(late.select(["id", "label"]), daemon.data / "e-labels.csv")
    dropped = daemon.wait("performance_dropped")
    assert dropped["metric"] == "accuracy"
    sent, *_ = wait_for(lambda: told.about("performance_dropped"), what="a message of the drop")
    assert sent["model"] == "m"
    assert sent["fields"]["metric"] == "accuracy"
    drop(answered(6, weight=0.4, by="3.2"), daemon.data / "f.csv")
    assert "3.2" in daemon.wait("version_promoted", since=daemon.events.index(dropped))["reason"]
    status = daemon.cli("status").stdout
    assert "watches    what another system predicts of its 3.2" in status
    assert not list(daemon.seen("stage_started", stage="train"))
    for command in (("explain", "1"), ("history",), ("files", "m"), ("versions", "m"), ("doctor",)):
        assert daemon.cli(*command).stdout
    assert daemon.cli("check", str(drop(unlabelled(answered(7, weight=0.4, by="3.2")), daemon.folder / "g.csv")))
    labels_sent_back(daemon, first=200_000)
    before = len(daemon.events)
    daemon.cli("renew", "m")
    assert "400 rows" in daemon.wait("version_promoted", since=before)["reason"]


def nobody_answers(daemon):
    """Requests say who serves the model, readiness does not wait for it, and commands name the way out."""
    body = {"rows": [{"x": 1.0, "z": 0.0}]}
    answer = local_http.post(f"{daemon.url}/models/m/predict", json=body)
    assert answer.status_code == 404
    assert "another system serves m" in answer.json()["error"]
    assert local_http.post(f"{daemon.url}/v2/models/m/infer", json={"inputs": []}).status_code == 404
    assert local_http.get(f"{daemon.url}/v2/models/m").status_code == 404
    assert local_http.get(f"{daemon.url}/v2/health/ready").status_code == 200
    for command in (
        ("retrain", "m"),
        ("promote", "m", "v0001"),
        ("rollback", "m"),
        ("predict", "x.csv", "-o", "y.csv"),
    ):
        done = daemon.cli(*command, check=False)
        assert done.returncode
        assert "another system serves m" in done.stderr


def bad_predictions(daemon):
    """A file without the predictions is refused with the key that names them; rows with impossible probabilities are
    set aside with their line and reason."""
    drop(answered(1).drop_columns(["said"]), daemon.data / "without.csv")
    assert "prediction_column" in daemon.wait("file_refused", file="without.csv")["reason"]
    table = answered(8).to_pydict()
    table["score_yes"][3], table["score_no"][7], table["said"][9] = 1.5, 0.9, None
    table["score_yes"][7] = 0.9
    drop(pa.table(table), daemon.data / "odd.csv")
    assert daemon.wait("rows_quarantined", file="odd.csv")["rows"] == 3
    assert "1.5 is no probability" in daemon.wait("rows_quarantined", file="odd.csv")["first"]["reason"]
    daemon.wait("check_finished", file="odd.csv")


def labels_sent_back(daemon, first):
    """Labels over HTTP join by the ids of rows that another system answered."""
    before = len(daemon.events)
    labels = [{"id": first + row, "label": "yes"} for row in range(20)]
    assert local_http.post(f"{daemon.url}/models/m/feedback", json={"labels": labels}).status_code == 202
    assert daemon.wait("file_accepted", since=before, kind="labels")["joined"] == 20


@pytest.fixture
def comparing(tmp_path: Path, told: Receiver):
    """Watching, and training challengers."""
    extra = EXTRA.replace(
        "# no estimator", "challengers = true\nestimator.params = { max_iter = 15, learning_rate = 0.3 }"
    )
    one = Daemon(tmp_path, extra + FAST + COLUMNS + notifying(told), columns=False)
    yield one
    one.close()


@pytest.mark.long
def test_a_challenger_that_would_not_have_been_better_is_told(comparing):
    """By the same gate: what another system does well stays unchallenged, and the cycle says so."""
    comparing.start()
    for seed in range(1, 4):
        drop(answered(seed, n=600), comparing.data / f"{seed}.csv")
        comparing.wait("check_finished" if seed > 1 else "version_promoted")
    assert comparing.wait("version_kept")["reason"]
    assert not list(comparing.seen("challenger_better"))


@pytest.mark.long
def test_a_kill_while_the_reference_is_made(tmp_path: Path):
    """Killed when the reference is published and not yet committed, the daemon makes one reference and no other."""
    daemon = Daemon(tmp_path, EXTRA + FAST + COLUMNS, columns=False)
    try:
        drop(answered(1), daemon.data / "a.csv")
        daemon.start(crash_at="control.stage_committed:2", wait_ready=False)
        daemon.wait_dead()
        daemon.plan()
        daemon.start()
        drop(answered(2), daemon.data / "b.csv")
        daemon.wait("check_finished", file="b.csv")
        assert daemon.json("status")["models"]["m"]["champion"]["version"].startswith("v0001")
        assert len(list((tmp_path / "state" / "versions" / "m").glob("v*"))) == 1
    finally:
        daemon.close()


@pytest.mark.long
def test_labels_that_come_later_give_a_reference_its_performance(daemon):
    """A reference without labels is made again, of the same rows, when enough of them came."""
    daemon.start()
    drop(unlabelled(answered(1)), daemon.data / "a.csv")
    assert "0 of them labelled" in daemon.wait("version_promoted")["reason"]
    before = len(daemon.events)
    drop(answered(1).select(["id", "label"]), daemon.data / "labels.csv")
    assert "400 of them labelled" in daemon.wait("version_promoted", since=before)["reason"]


def test_a_challenger_that_would_have_been_better_is_told_and_can_be_served(comparing, told):
    """Where the other system misses what the rows show, a challenger is kept as a candidate and told; nothing is
    served. The way out that the event names: without `served` the candidate is promoted by hand, and answers."""
    comparing.start()
    for seed in range(1, 4):
        drop(answered(seed, n=600, flip=True), comparing.data / f"{seed}.csv")
        comparing.wait("check_finished" if seed > 1 else "version_promoted")
    found = comparing.wait("challenger_better")
    candidate = found["version"]
    assert candidate.startswith("v000") and "kept, not served" in found["reason"]
    sent, *_ = wait_for(lambda: told.about("challenger_better"), what="a message of the challenger")
    assert sent["fields"]["version"] == candidate
    model = comparing.json("status")["models"]["m"]
    assert model["champion"]["version"].startswith("v0001")
    assert local_http.post(f"{comparing.url}/models/m/predict", json={"rows": [{"x": 1.0}]}).status_code == 404
    comparing.stop()
    text = comparing.config.read_text()
    gone = ("served", "prediction_", "probability_", "version_", "challengers")
    lines = [one for one in text.splitlines() if not one.startswith(gone)]
    comparing.config.write_text("\n".join(one for one in lines if not one.startswith("said")))
    comparing.start()
    comparing.cli("promote", "m", candidate)
    comparing.wait("model_swapped")
    body = {"rows": [{"x": 0.3, "z": 1.0}]}
    assert local_http.post(f"{comparing.url}/models/m/predict", json=body).status_code == 200
