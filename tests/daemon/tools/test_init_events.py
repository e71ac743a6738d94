"""`driftd init` of a log of events: it is recognised by its columns, or asks for what it cannot tell."""

import json
import tomllib
from pathlib import Path

import pytest

from daemon.config.config import load_config
from daemon.tools.event_roles import Roles
from daemon.tools.init_events import look_at_events, recognised, write_event_config
from retrain.records.errors import WrongUse


def log(folder: Path, header: str, name: str = "clicks.csv") -> Path:
    """A file of a hundred events, with five columns called so: who, what, when, a type and a rating."""
    rows = [
        f"{one % 9 + 100},p{one % 7},{1_700_000_000 + 60 * one},{'vb'[one % 5 == 0]}iew,{one % 5}" for one in range(100)
    ]
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("user_id,item_id,timestamp,event_type,rating", ("user_id", "item_id", "timestamp", "event_type", "rating")),
        ("visitorid,itemid,time,event,x", ("visitorid", "itemid", "time", "event", "x")),
        ("CustomerID,StockSKU,ts,action,score", ("CustomerID", "StockSKU", "ts", "action", "score")),
        ("userId,movieId,created_at,type,stars", ("userId", "movieId", "created_at", "type", "stars")),
        ("Customer Name,SKU,Order date,Product,n", ("Customer Name", "SKU", "Order date", "", "n")),
        ("session_id,article,when,behavior,n", ("session_id", "article", "when", "behavior", "n")),
    ],
)
def test_a_log_is_recognised_by_its_columns(tmp_path: Path, header: str, found: tuple[str, ...]) -> None:
    """As shops, films and public data sets call them; numbers in seconds are times, and the only few numbers may be
    ratings."""
    roles = recognised(log(tmp_path, header)).roles
    assert (roles.user, roles.item, roles.time, roles.event, roles.value) == found


def test_an_id_comes_before_a_name(tmp_path: Path) -> None:
    """Products are renamed, their ids are not: whatever comes first in the file."""
    roles = recognised(log(tmp_path, "product_name,product_id,ts,customer_name,customer_no")).roles
    assert (roles.user, roles.item) == ("customer_no", "product_id")


def test_what_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    """The message names what is known, and the options of the rest; with them it goes on."""
    path = log(tmp_path, "a,b,time,c,d")
    with pytest.raises(WrongUse, match="--target COLUMN is missing"):
        recognised(path)
    with pytest.raises(WrongUse, match=r"time is 'time'.*--user, --item"):
        list(write_event_config(path, look_at_events(path, Roles()), "", tmp_path / "config.toml"))
    given = look_at_events(path, Roles(user="a", item="b"))
    assert given.roles.whole
    with pytest.raises(WrongUse, match="--user 'aa' is no column"):
        look_at_events(path, Roles(user="aa", item="b"))


def test_rows_with_a_target_are_no_log(tmp_path: Path) -> None:
    """A table of customers has a user column and a date, and nobody comes twice."""
    rows = "\n".join(f"u{one},p{one},2024-01-{one % 28 + 1:02d}" for one in range(100))
    (tmp_path / "customers.csv").write_text(f"user,product,date\n{rows}\n", encoding="utf-8")
    with pytest.raises(WrongUse, match=r"and --time$"):
        recognised(tmp_path / "customers.csv")


def test_the_configuration_is_valid_and_says_what_may_be_weighed(tmp_path: Path) -> None:
    """It names the columns, the types that were seen as a comment, and what to do next."""
    path, config = log(tmp_path, "user,item,time,kind,rating"), tmp_path / "config.toml"
    told = list(write_event_config(path, look_at_events(path, Roles()), "Shop", config))
    model = load_config(config).models["shop"]
    assert (model.user_column, model.item_column, model.time_column, model.event_column) == (
        "user",
        "item",
        "time",
        "kind",
    )
    assert model.value_column is None
    text = config.read_text("utf-8")
    assert '# event_weights = { "view" = 1, "biew" = 1 }' in text
    assert '# value_column = "rating"' in text
    assert "100 events of 9 users and 7 items" in "\n".join(told)
    assert (tmp_path / "data" / "shop").is_dir()
    uncommented = text.replace("# event_weights", "event_weights").replace("# value_column", "value_column")
    tomllib.loads(uncommented.replace("# positive", "positive"))


def test_ids_within_objects_are_recognised(tmp_path: Path) -> None:
    """JSON lines of a web shop: the fields of its objects are named with a dot."""
    path = tmp_path / "orders.jsonl"
    rows = [
        {"customer": {"country": "DE", "id": one % 9}, "product": {"id": one % 7}, "at": 1_700_000_000 + one}
        for one in range(100)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = recognised(path)
    assert (found.roles.user, found.roles.item, found.roles.time) == ("customer.id", "product.id", "at")
    list(write_event_config(path, found, "", tmp_path / "config.toml"))
    assert load_config(tmp_path / "config.toml").models["orders"].user_column == "customer.id"


def test_in_another_language_a_guess_by_counts_is_offered(tmp_path: Path) -> None:
    """German names, decimal commas and dates: more users than items, and grades are neither. It stays a question."""
    path = tmp_path / "bewertungen.csv"
    rows = (f"K{one % 90};A{one % 40};{one % 10 / 2:.1f}".replace(".", ",") + f";{one % 28 + 1:02d}.03.2024 09:48"
            for one in range(400))  # fmt: skip
    path.write_text("\n".join(["Kunde;Artikel;Bewertung;Zeitpunkt", *rows]) + "\n", encoding="utf-8")
    perhaps = "; perhaps --user Kunde --item Artikel --time Zeitpunkt$"
    with pytest.raises(WrongUse, match=f"time is 'Zeitpunkt'; name --user, --item COLUMN{perhaps}"):
        list(write_event_config(path, look_at_events(path, Roles()), "", tmp_path / "config.toml"))
    with pytest.raises(WrongUse, match=f"--target COLUMN is missing.*{perhaps}"):
        recognised(path)
    config = tmp_path / "config.toml"
    told = list(write_event_config(path, look_at_events(path, Roles(user="Kunde", item="Artikel")), "", config))
    assert any("whatever their 'Bewertung'" in line for line in told)
    assert '# value_column = "Bewertung"' in config.read_text("utf-8")
