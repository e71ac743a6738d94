"""Drift of event logs: accounts are compared, not rows; what really changed is found, and what did not is not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drift.check.report import DriftReport
from retrain.operations import AcceptedFile
from retrain.recommendation.drift import EVENTS, UNKNOWN, Named, drift_of
from retrain.recommendation.log import read_log
from retrain.recommendation.reference import current_activity, load_reference, write_reference
from retrain.records.schema import event_schema
from retrain.records.settings import ModelSettings
from retrain.records.settings.decisions import DriftSettings

DAY_US = 86_400_000_000
ITEMS = [f"i{place}" for place in range(60)]
SETTINGS = ModelSettings.model_validate({
    "data_dir": "data", "task": "recommendation", "user_column": "who", "item_column": "what", "time_column": "at",
    "event_column": "kind", "value_column": "stars", "positive": 0.0,
})  # fmt: skip
SCHEMA = event_schema(SETTINGS)
Change = Callable[[dict[str, np.ndarray], np.random.Generator], dict[str, np.ndarray]]


def rows(day: int, accounts: int, rng: np.random.Generator, busy: float = 3.0) -> dict[str, np.ndarray]:
    """Events of one day; people differ in how busy they are, in what they do and in how they rate."""
    users = [f"u{day}-{one}" if one % 2 else f"u{one}" for one in range(accounts)]
    often = 1 + rng.poisson(rng.gamma(1.0, busy, accounts))
    who = np.repeat(np.array(users, object), often)
    eager, mild = np.repeat(rng.beta(0.4, 1.6, accounts), often), np.repeat(rng.normal(3, 1, accounts), often)
    return {
        "who": who, "what": np.array(ITEMS, object)[rng.integers(0, 50, len(who))],
        "at": day * DAY_US + np.sort(rng.integers(0, DAY_US, len(who))),
        "kind": np.where(rng.random(len(who)) < eager, "buy", "view").astype(object),
        "stars": np.round(mild + rng.normal(0, 0.3, len(who))),
    }  # fmt: skip


def stored(folder: Path, seq: int, columns: dict[str, np.ndarray]) -> AcceptedFile:
    path = folder / f"{seq}.parquet"
    texts = {name: pa.array(columns[name], pa.string()) for name in ("who", "what", "kind")}
    moments = pa.array(columns["at"].astype("datetime64[us]"))
    pq.write_table(pa.table({**texts, "at": moments, "stars": pa.array(columns["stars"], from_pandas=True)}), path)
    return AcceptedFile(seq=seq, snapshot=path, digest="", rows=len(columns["who"]))


def checked(folder: Path, change: Change | None = None, accounts: int = 600, seed: int = 1) -> DriftReport:
    """Five days are the reference; the sixth is checked."""
    rng = np.random.default_rng(seed)
    files = [stored(folder, day, rows(day, 600, rng)) for day in range(5)]
    write_reference(folder / "version", read_log(files, SCHEMA, SETTINGS), files, SCHEMA, SETTINGS, ITEMS[:50])
    reference, users = load_reference(folder / "version")
    columns = rows(6, accounts, rng)
    new = stored(folder, 6, columns if change is None else change(columns, rng))
    current = current_activity([new.snapshot], SCHEMA, SETTINGS, ITEMS[:50], users)
    return drift_of(reference, current, DriftSettings(), Named("kind", "stars"))


def test_nothing_is_found_where_nothing_changed(tmp_path: Path) -> None:
    """Accounts that are new, and differ much from each other, are no drift; the share of new accounts is told."""
    report = checked(tmp_path)
    assert not report.drift
    told = {column.name: column.sentence for column in report.columns}
    assert "of the events are by accounts that are new" in told["new users"]
    assert report.to_json()["untested"] is None


def more_types(columns: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    return columns | {"kind": np.where(rng.random(len(columns["kind"])) < 0.3, "gift", columns["kind"]).astype(object)}


def unknown(columns: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    return columns | {"what": np.where(rng.random(len(columns["what"])) < 0.2, "new", columns["what"]).astype(object)}


def milder(columns: dict[str, np.ndarray], _rng: np.random.Generator) -> dict[str, np.ndarray]:
    return columns | {"stars": columns["stars"] + 1}


def unrated(columns: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    return columns | {"stars": np.where(rng.random(len(columns["stars"])) < 0.2, np.nan, columns["stars"])}


def busier(_columns: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    return rows(6, 600, rng, busy=6.0)


@pytest.mark.parametrize(
    ("change", "found"),
    [(more_types, "kind"), (unknown, UNKNOWN), (milder, "stars"), (unrated, "stars missing"), (busier, EVENTS)],
)
def test_a_real_change_is_found_and_named(tmp_path: Path, change: Change, found: str) -> None:
    """Types of events, items that the version does not know, values, missing values, and events per user."""
    report = checked(tmp_path, change)
    assert report.drifted == (found,)
    column = next(one for one in report.columns if one.name == found)
    assert column.sentence.startswith(f"{found} shifted: ")
    assert "→" in column.sentence


def test_one_busy_account_is_no_drift(tmp_path: Path) -> None:
    """A tenth of all events by one account, all alike, says nothing of the others."""

    def bot(columns: dict[str, np.ndarray], _rng: np.random.Generator) -> dict[str, np.ndarray]:
        count = len(columns["who"]) // 9
        one = {"who": "bot", "what": "i1", "at": columns["at"][0], "kind": "buy", "stars": 5.0}
        return {
            name: np.concatenate([values, np.full(count, one[name], values.dtype)]) for name, values in columns.items()
        }

    assert not checked(tmp_path, bot).drift


def test_a_bot_is_told_and_compared_with_nobody(tmp_path: Path) -> None:
    """One account with two fifths of the events, all of one type: nobody else changed."""

    def bot(columns: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
        size = 2 * len(columns["who"]) // 3
        own = {name: np.repeat(one[:1], size) for name, one in columns.items()}
        own |= {"who": np.repeat(np.array(["bot"], object), size), "kind": np.repeat(np.array(["view"], object), size)}
        own["at"] = own["at"] + np.arange(size) * 1_000_000
        return {name: np.concatenate([columns[name], own[name]]) for name in columns}

    report = checked(tmp_path, bot)
    assert not report.drift
    assert any(note.startswith("1 account with 40% of the events stands out") for note in report.notes)


def test_a_file_of_another_length_says_nothing_of_events_per_user(tmp_path: Path) -> None:
    """An hour beside days has fewer events of each account; the reason is told."""

    def short(columns: dict[str, np.ndarray], _rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {name: values[columns["at"] < 6 * DAY_US + DAY_US // 4] for name, values in columns.items()}

    report = checked(tmp_path, short)
    assert not report.drift
    assert "hours, those of the reference 24" in next(str(one.reason) for one in report.columns if one.name == EVENTS)


def test_few_events_are_not_tested(tmp_path: Path) -> None:
    """Fewer than drift.min_rows say nothing, and the report says so."""
    report = checked(tmp_path, accounts=5)
    assert not report.drift
    assert "drift.min_rows is 50" in str(report.untested)
