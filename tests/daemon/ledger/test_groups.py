"""What is kept of groups: counts of the files that are looked back to alone, and episodes with a beginning and an end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledgers import new_ledger
from sqlalchemy import Connection, func, select

from daemon.ledger import checks, groups
from daemon.ledger.groups import EpisodeChange
from daemon.ledger.tables import group_counts, group_episodes, group_summaries
from retrain.records.groups import (
    Degraded,
    Disparity,
    FileGroups,
    GroupCounts,
    GroupFigures,
    GroupSummary,
    GroupWatch,
    read_file_groups,
)

NORTH = Degraded(
    column="region", group="north", since=7, alarm=8, value=0.7, reference=0.8, drop=0.1, p_value=1e-5, together=2,
    groups=3,
)  # fmt: skip
SOUTH = Degraded(**{name: getattr(NORTH, name) for name in NORTH.__struct_fields__} | {"group": "south"})
APART = Disparity(
    column="region", figure="selection rate", high="south", low="north", difference=0.2, interval=(0.1, 0.3),
    compared=3, at_least=0.11,
)  # fmt: skip


def file(check: int, score: float = 0.8) -> FileGroups:
    """What is known of a file with one group."""
    counts = GroupCounts(column="region", group="north", rows=9, settled=9, score=score, se=0.1, scored_rows=9)
    return FileGroups(seq=check, check=check, own="o", key=f"{check} {score}", groups=(counts,))


def watch(
    *changed: FileGroups, kept: tuple[int, ...] = (), degraded: tuple[Degraded, ...] = (),
    exceeded: tuple[Disparity, ...] = (),
) -> GroupWatch:  # fmt: skip
    """What an assessment found."""
    summary = GroupSummary(
        era=1, version="v1", seq=9, files=1, metric="accuracy", greater_is_better=True, positive="yes", least=100,
        all_rows=GroupFigures(group="", rows=9, settled=9), columns=(), degraded=degraded, exceeded=exceeded,
    )  # fmt: skip
    return GroupWatch(changed=changed, kept=kept or tuple(one.check for one in changed), summary=summary)


@pytest.fixture
def conn(tmp_path: Path, ledger_url: str | None) -> Iterator[Connection]:
    """Of a new ledger."""
    ledger = new_ledger(tmp_path, ledger_url)
    with ledger.begin() as opened:
        yield opened
    ledger.close()


def test_counts_are_replaced_and_those_that_are_not_kept_go(conn: Connection) -> None:
    """Each file is there once, as it was counted last, and none but the kept ones; of a model without groups nothing."""
    groups.record(conn, "m", watch(file(1), file(2), file(3)), 1.0)
    groups.record(conn, "n", watch(file(4)), 1.0)
    groups.record(conn, "m", watch(file(2, 0.7), file(5), kept=(2, 3, 5)), 2.0)
    assert read_file_groups(groups.known(conn, "m")) == [file(2, 0.7), file(3), file(5)]
    assert groups.summary(conn, "m") == watch(file(1)).summary
    groups.record(conn, "m", None, 3.0)
    assert groups.known(conn, "m") == () and groups.summary(conn, "m") is None
    assert [conn.scalar(select(func.count()).select_from(table)) for table in (group_counts, group_summaries)] == [1, 1]


def test_an_episode_begins_grows_and_ends_once(conn: Connection) -> None:
    """One event where a group does worse, one where another joins, none while it lasts, and one when all is over; a
    group that left and came back within it has joined already. Differences have an episode of their own."""
    told = [
        groups.record(conn, "m", watch(file(1), degraded=degraded, exceeded=exceeded), float(at))
        for at, (degraded, exceeded) in enumerate(
            [((), ()), ((NORTH,), ()), ((NORTH,), (APART,)), ((NORTH, SOUTH), (APART,)), ((SOUTH,), (APART,)),
             ((NORTH, SOUTH), ()), ((), ()), ((NORTH,), ())]
        )
    ]  # fmt: skip
    assert told == [
        [],
        [EpisodeChange("degraded", 1, (NORTH,))],
        [EpisodeChange("exceeded", 2, (APART,))],
        [EpisodeChange("degraded", 1, (SOUTH,))],
        [],
        [EpisodeChange("exceeded", 2, ())],
        [EpisodeChange("degraded", 1, ())],
        [EpisodeChange("degraded", 3, (NORTH,))],
    ]


def test_episodes_that_are_over_do_not_pile_up(conn: Connection) -> None:
    """The newest hundred stay, another model's too; an episode keeps its number."""
    groups.record(conn, "n", watch(file(1), degraded=(NORTH,)), 0.0)
    groups.record(conn, "n", watch(file(1)), 0.0)
    numbers = []
    for at in range(110):
        (begun,) = groups.record(conn, "m", watch(file(2), degraded=(NORTH,)), float(at))
        groups.record(conn, "m", watch(file(2)), float(at))
        numbers.append(begun.episode)
    assert numbers == sorted(set(numbers))
    kept = [row.model for row in conn.execute(select(group_episodes))]
    assert kept.count("m") == groups.KEPT_EPISODES + 1 and kept.count("n") == 1


def test_another_champion_ends_what_lasts_without_a_word(conn: Connection) -> None:
    """Its groups have no reference yet; what an event of its promotion tells is not told twice."""
    groups.record(conn, "m", watch(file(1), degraded=(NORTH,), exceeded=(APART,)), 1.0)
    checks.end_open_episode(conn, "m", 2.0)
    assert conn.scalars(select(group_episodes.c.closed_at)).all() == [2.0, 2.0]
    assert groups.record(conn, "m", watch(file(2)), 3.0) == []


def test_an_episode_of_groups_that_are_watched_no_more_ends_with_a_word(conn: Connection) -> None:
    """Who was told that it began hears that it is over: trouble that nobody looks at is not left open."""
    groups.record(conn, "m", watch(file(1), degraded=(NORTH,), exceeded=(APART,)), 1.0)
    assert groups.record(conn, "m", None, 2.0) == [EpisodeChange("degraded", 1, ()), EpisodeChange("exceeded", 2, ())]
    assert groups.record(conn, "m", None, 3.0) == []
