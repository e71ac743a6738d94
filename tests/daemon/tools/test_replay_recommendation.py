"""`driftd replay --task recommendation`: an event log through the live layers, the trained version and the planner."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from event_logs import DAY_MS, START_MS, interactions, log
from page_parser import Page

from daemon.cli.app import run as command_line
from daemon.tools.replay.recommendation.engine import Engine, planner_settings
from daemon.tools.replay.recommendation.run import Request, replay
from daemon.tools.replay.recommendation.source import EventColumns, Stream, read_stream
from drift.report.recommendation import recommendation_page
from retrain.recommendation.interactions import Interactions, interactions_of, joined
from retrain.recommendation.scene import LIVE
from retrain.records.settings import ModelSettings

pytestmark = pytest.mark.xdist_group("replay_recommendation")  # one result for most of them
COLUMNS = EventColumns("who", "what", "at")
NAMED = ("--user", "who", "--item", "what", "--time", "at")
BATCHES, INITIAL = 10, 3
SECONDS = ("cpu_seconds", "cpu_seconds_by_purpose")


def written(folder: Path, table: pa.Table, name: str = "log.parquet") -> Path:
    """The table as a file."""
    write = pyarrow.csv.write_csv if name.endswith(".csv") else pq.write_table
    write(table, folder / name)
    return folder / name


def without_seconds(value: Any) -> Any:
    """The same without what a clock said."""
    if isinstance(value, dict):
        return {key: without_seconds(one) for key, one in value.items() if key not in SECONDS}
    return [without_seconds(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One replay with all that a result can hold."""
    folder = tmp_path_factory.mktemp("whole")
    return replay(Request([written(folder, log())], COLUMNS, BATCHES, INITIAL), folder)


@pytest.fixture
def driftd(capsys, monkeypatch, tmp_path):
    """Runs the command line in this process, in an empty folder: status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: Any) -> tuple[int, str, str]:
        status = command_line([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def test_json_has_the_promised_shape(whole):
    """Names and types as documented; the initial batches have no score; JSON holds no NaN."""
    assert (whole["events"], whole["batches"], whole["initial"], whole["metric"]) == (
        1500,
        BATCHES,
        INITIAL,
        "ndcg_at_10",
    )
    runs = [whole["policy"], *whole["baselines"].values()]
    assert list(whole["baselines"]) == ["never", "every", "popularity"]
    for run in (*runs, *(one["live"] for one in runs)):
        assert run["scores"][:INITIAL] == [None] * INITIAL and len(run["scores"]) == BATCHES
        assert run["mean"] == pytest.approx(np.mean(run["scores"][INITIAL:]))
    policy, ratios = whole["policy"], whole["ratios"]
    assert policy["retrains"] == len(policy["cycles"]) and 0 < policy["coverage"] <= 1 and 0 <= policy["gini"] < 1
    assert policy["retrain_share"] == pytest.approx(policy["retrains"] / (BATCHES - INITIAL))
    assert ratios["policy_to_every"] == pytest.approx(policy["mean"] / whole["baselines"]["every"]["mean"])
    best = whole["best_part"]
    assert best["mean"] == max(part["mean"] for part in whole["parts"].values())
    assert ratios["policy_to_best_part"] == pytest.approx(policy["mean"] / best["mean"])
    json.dumps(whole, allow_nan=False)


def test_the_blend_beats_popularity_where_people_have_tastes(whole):
    """Beyond chance, paired by moment and clustered by user."""
    assert whole["baselines"]["popularity"]["policy_gain"]["low"] > 0
    assert whole["ratios"]["policy_to_best_part"] > 1


def test_live_counters_follow_a_fashion_within_the_batch(whole):
    """What is popular today is known today, not with the next file."""
    popularity = whole["baselines"]["popularity"]
    assert popularity["live"]["mean"] > popularity["mean"]
    assert whole["policy"]["live"]["mean"] > whole["policy"]["mean"]


def test_a_cycle_says_why_and_how_it_ended(whole):
    """The planner's trigger, and champion, challenger and popularity on the same held-out moments."""
    assert whole["policy"]["cycles"]
    for cycle in whole["policy"]["cycles"]:
        assert cycle["trigger"] in ("growth", "regret") and INITIAL <= cycle["batch"] < BATCHES - 1
        assert isinstance(cycle["promoted"], bool) and cycle["outcome"] and cycle["reason"]
        assert all(0 <= cycle[run] <= 1 for run in ("champion", "challenger", "popularity"))


def test_order_of_rows_and_files_does_not_matter(whole, tmp_path):
    """Shuffled, as CSV, in milliseconds, in two files, with repetitions: the same numbers, and notes that say so."""
    table = log()
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    shuffled = shuffled.set_column(2, "at", pc.multiply(shuffled["at"], 1000))
    files = [written(tmp_path, shuffled.slice(0, 900), "b.csv"), written(tmp_path, shuffled.slice(800), "a.parquet")]
    again = replay(Request(files, COLUMNS, BATCHES, INITIAL), tmp_path)
    same = ("policy", "baselines", "parts", "events", "users", "items", "ratios")
    assert without_seconds({name: again[name] for name in same}) == without_seconds(
        {name: whole[name] for name in same}
    )
    notes = " ".join(again["notes"])
    assert "100 events were there before" in notes and "milliseconds" in notes and "event time decides" in notes


def by_day(events: Interactions, days: int) -> Stream:
    """A stream of batches of some days."""
    starts = tuple(range(START_MS, START_MS + 20 * DAY_MS, days * DAY_MS))
    batch = np.searchsorted(starts, events.time_ms, side="right") - 1
    return Stream(events, batch, starts, len(events), ())


def test_one_account_that_makes_a_tenth_of_all_events_leaves_others_as_they_were():
    """It repeats one item all the time: the item is never first for others, whose NDCG stays within 2 %, and seen items
    stay out of lists where people do not choose them again."""
    table = log(events=5000, users=500, items=60, seed=5)
    first = _first_times(table)
    clean = interactions(table.filter(pa.array(first)))
    often = len(clean) // 10
    spread = START_MS + np.linspace(0, 20 * DAY_MS - 1, often).astype(np.int64)
    attacked = joined(clean, interactions_of(["bot"] * often, ["i59"] * often, spread))
    settings = ModelSettings(data_dir=".", task="classification", target="what", triggers=planner_settings())
    means, firsts = [], []
    for events in (clean, attacked):
        engine = Engine(by_day(events, 2), INITIAL, settings, rivals=())
        engine.play()
        bot = np.searchsorted(events.users, "bot") if "bot" in events.users else -1
        others = np.concatenate(engine.users) != bot
        means.append(np.concatenate(engine.players["policy"].tracks[LIVE].moments)[others].mean())
        firsts.append({events.items[shown[0]] for shown, kept in zip(engine.shown, others, strict=True) if kept})
        assert engine.exclude_seen
    assert means[1] == pytest.approx(means[0], rel=0.02)
    assert "i59" not in firsts[1] - firsts[0]


def _first_times(table: pa.Table) -> np.ndarray:
    """Which rows are the first of their user and item."""
    seen: set[tuple[str, str]] = set()
    rows = zip(table["who"].to_pylist(), table["what"].to_pylist(), strict=True)
    return np.array([not (row in seen or seen.add(row)) for row in rows])


def test_values_and_event_types_decide_what_teaches(tmp_path):
    """A value below --positive, or a type of weight 0, is known and teaches nothing; a heavier type counts more."""
    table = pa.table({
        "who": ["a", "b", "c", "d"] * 40, "what": ["x", "y", "z", "x"] * 40, "at": range(160), "stars": [5, 2, 4, 5] * 40,
        "type": ["buy", "view", "spam", "view"] * 40,
    })  # fmt: skip
    columns = EventColumns("who", "what", "at", "stars", 4.0, "type", {"buy": 5.0, "spam": 0.0})
    stream = read_stream([written(tmp_path, table)], columns, 4, tmp_path)
    by_user = {
        stream.events.users[user]: int(stream.events.weight[stream.events.user == user].max()) for user in range(4)
    }
    assert by_user == {"a": 5000, "b": 0, "c": 0, "d": 1000}


def test_rows_that_lack_something_are_counted_and_left_out(tmp_path):
    """A missing user, item or time."""
    table = pa.table({"who": ["a", None, "c", "d"] * 50, "what": ["x", "y", None, "x"] * 50, "at": [*range(199), None]})
    stream = read_stream([written(tmp_path, table)], COLUMNS, 4, tmp_path)
    assert len(stream.events) == 99 and "101 rows of log.parquet lack" in " ".join(stream.notes)


def test_the_command_prints_text_page_and_json(driftd, tmp_path, whole):
    """For people, for browsers and for machines, the same numbers."""
    file = written(tmp_path, log())
    sizes = ("--batches", BATCHES, "--initial", INITIAL)
    only = ("--baselines", "popularity")
    status, out, err = driftd("replay", file, "--task", "recommendation", *NAMED, *sizes, *only, "--json")
    assert status == 0, err
    assert json.loads(out)["policy"]["scores"] == whole["policy"]["scores"]
    status, out, err = driftd("replay", file, *NAMED, *sizes, *only, "--html", "page.html")
    assert status == 0, err
    assert "than popularity alone" in out and "wrote page.html" in out
    assert "never retrained" not in out and "popularity alone, best half-life" in Path("page.html").read_text("utf-8")


def test_the_page_is_whole_and_needs_no_script(whole):
    """Valid markup, every section, nothing from elsewhere; what users named is escaped."""
    page = recommendation_page({**whole, "notes": ["<script>alert(1)</script>"]})
    assert not Page(page).open
    assert "<script" not in page and "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    for heading in ("Live counters", "Policies", "Parts alone", "Cycles", "Batches", "Notes"):
        assert f"<h2>{heading}</h2>" in page


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (("--user", "who", "--item", "what"), 2, "--time missing"),
        ((*NAMED, "--target", "what"), 2, "--target does not go with a recommendation"),
        ((*NAMED, "--task", "regression"), 2, "not of regression"),
        ((*NAMED, "--value", "stars"), 2, "--positive"),
        ((*NAMED, "--event-weights", "buy=5"), 2, "needs --event"),
        ((*NAMED, "--event", "type", "--event-weights", "buy"), 2, "expected TYPE=WEIGHT"),
        ((*NAMED, "--baselines", "every7"), 2, "expected never, every, popularity"),
        ((*NAMED, "--batches", "5", "--initial", "4"), 2, "too few to replay"),
        (("--user", "nobody", "--item", "what", "--time", "at"), 3, "no column 'nobody'; it has who, what, at"),
        (("--user", "who", "--item", "what", "--time", "what"), 3, "'what' holds no times"),
        ((*NAMED, "--batches", "200"), 3, "cannot be cut into 200 batches"),
    ],
)
def test_mistakes_are_told_with_the_way_out(driftd, tmp_path, options, status, says):
    """Wrong use is 2, files that cannot be replayed 3; nothing else happens."""
    found, out, err = driftd("replay", written(tmp_path, log(events=300)), *options)
    assert (found, out) == (status, "") and says in err
