"""Which deployment `driftd predict` asks."""

from ledgers import new_ledger

from daemon.ledger import deployments, models, promotions
from daemon.ledger.tables import versions
from daemon.scoring.chosen import deployment_of


def test_the_name_that_is_served_answers_as_it_is_served(tmp_path):
    """With its recalibration, whether it is named or not; another version as it was trained."""
    ledger = new_ledger(tmp_path)
    with ledger.begin() as conn:
        models.ensure(conn, "m")
        for number in (1, 2):
            name = f"v000{number}-aaaaaaaa"
            row = {"model": "m", "name": name, "number": number, "digest": name, "created_at": 0.0}
            conn.execute(versions.insert().values(**row, metrics={}, state="stored"))
        first = deployments.for_version(conn, "m", "v0001-aaaaaaaa", 0.0)
        recalibrated = deployments.for_members(conn, "m", {"v0002-aaaaaaaa": 1.0}, {"a": 1.5}, 0.0)
        promotions.record(conn, "m", recalibrated, "recalibrated", "a test", 0.0)
        served = deployment_of(conn, "m")
        assert served[0].digest == recalibrated.digest
        assert deployment_of(conn, "m", "v0002") == served == deployment_of(conn, "m", "v0002-aaaaaaaa")
        other, promotion = deployment_of(conn, "m", "v0001")
        assert (other.digest, promotion) == (first.digest, 0)
    ledger.close()
