"""Where all models stand, read at once: the same as model by model, and as many statements for thirty as for two."""

from pathlib import Path

import pytest
from ledgers import new_ledger
from sqlalchemy import event, text

from daemon.ledger import Ledger, deployments, models, promotions
from daemon.ledger.standing import Standing, standings
from daemon.ledger.tables import group_summaries, versions


def filled(folder: Path, count: int, url: str | None = None) -> tuple[Ledger, list[str]]:
    """Models that were promoted twice, the second time by hand; the last one never ran."""
    ledger, names = new_ledger(folder, url), [f"m{number}" for number in range(count)]
    with ledger.begin() as conn:
        for name in names[:-1]:
            models.ensure(conn, name)
            for number, kind in ((1, "promote"), (2, "manual")):
                version = f"v{number:04d}-aaaaaaaa"
                row = {"model": name, "name": version, "number": number, "digest": version, "created_at": 1.0}
                row |= {"metrics": {"known_rows": 10 * number}, "seen_seq": number, "state": "stored"}
                conn.execute(versions.insert().values(**row))
                promotions.record(conn, name, deployments.for_version(conn, name, version, 1.0), kind, "r", 2.0)
    return ledger, names


def test_what_is_read_at_once_is_what_each_model_has(tmp_path):
    """Champion, predecessor and metrics are those of the model's own newest promotion; one that never ran has none."""
    ledger, names = filled(tmp_path, 4)
    with ledger.connect() as conn:
        found = standings(conn, names)
        for name in names[:-1]:
            assert found[name].champion == promotions.champion(conn, name)
            assert found[name].champion.predecessor is not None and found[name].metrics == {"known_rows": 20}
    assert found[names[-1]] == Standing()
    ledger.close()


def test_of_groups_no_more_is_read_than_is_told(tmp_path):
    """A whole summary may have a hundred kilobytes: one model's status reads no other's, and the overview none."""
    ledger = new_ledger(tmp_path)
    found = {"degraded": [{"group": "north"}], "exceeded": []}
    with ledger.begin() as conn:
        for name in ("a", "b"):
            row = {"model": name, "brief": found, "found": found | {"columns": []}}
            conn.execute(group_summaries.insert().values(**row))
        conn.execute(text("UPDATE group_summaries SET found = 'no JSON' WHERE model = 'b'"))
    with ledger.connect() as conn:
        assert standings(conn, ["a"])["a"].groups == found | {"columns": []}
        brief = standings(conn, ["a", "b"], brief=True)
        assert brief["a"].groups == brief["b"].groups == found
    ledger.close()


@pytest.mark.parametrize("count", [2, 30])
def test_the_statements_do_not_grow_with_the_models(tmp_path, ledger_url, count):
    """`driftd status` of three hundred models is no slower for asking three hundred times."""
    ledger, names = filled(tmp_path, count, ledger_url)
    asked: list[str] = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    with ledger.connect() as conn:
        standings(conn, names)
    assert len(asked) == 18
    ledger.close()
