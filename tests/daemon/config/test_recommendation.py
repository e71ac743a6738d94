"""A recommendation's section: which columns are what, and what contradicts it is told with the way out."""

from pathlib import Path

import pytest

from daemon.config.config import ConfigErrors, items_name, items_path, load_config

NAMED = 'user_column = "who"\nitem_column = "what"\ntime_column = "at"\n'


def written(folder: Path, lines: str, named: str = NAMED) -> Path:
    path = folder / "config.toml"
    path.write_text(f'[models.shop]\ndata_dir = "data"\ntask = "recommendation"\n{named}{lines}\n', "utf-8")
    return path


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('id_column = "row"', "a recommendation has no id_column"),
        ('target = "who"', "a recommendation has no target; what is recommended is item_column"),
        ('value_column = "stars"', "value_column and positive go together"),
        ("event_weights = { buy = 5 }", "event_weights needs event_column"),
        ('event_column = "at"', "a column is named twice"),
        ('event_column = "kind"\nevent_weights = { buy = -1 }', "buy is -1"),
        ("[models.shop.columns]\nwho = 'category'", "a recommendation has no columns"),
    ],
)
def test_what_contradicts_a_recommendation_is_told(tmp_path: Path, lines: str, told: str) -> None:
    """Each with the keys that it is about."""
    with pytest.raises(ConfigErrors, match=told):
        load_config(written(tmp_path, lines))


def test_a_recommendation_needs_to_know_who_what_and_when(tmp_path: Path) -> None:
    """All that is lacking is told at once."""
    with pytest.raises(ConfigErrors, match="needs user_column and time_column"):
        load_config(written(tmp_path, "", 'item_column = "what"\n'))


@pytest.mark.parametrize(
    ("given", "place", "name"),
    [
        ("items.csv", "data/items.csv", "items.csv"),
        ("./items.csv", "items.csv", "./items.csv"),
        ("data/now/items.csv", "data/now/items.csv", "now/items.csv"),
    ],
)
def test_where_the_items_file_lies(tmp_path: Path, given: str, place: str, name: str) -> None:
    """A bare name in the data folder, a path beside the configuration; the ledger knows it by its path in the folder."""
    config = load_config(written(tmp_path, f'items_file = "{given}"'))
    assert items_path(config, "shop") == tmp_path / place
    assert items_name(config, "shop") == name
    assert items_name(load_config(written(tmp_path, "")), "shop") is None
