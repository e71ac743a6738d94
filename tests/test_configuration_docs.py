"""Every key of the configuration says what it means, and docs/configuration.md shows defaults that a user could write."""

import re
import tomllib

import pytest
from test_docs import TABLES

SAMPLE = {
    "data_dir": "d",
    "task": "regression",
    "target": "y",
    "type": "number",
    "name": "ops",
    "query": "SELECT 1",
    "watermark": "at",
    "tracking_uri": "http://127.0.0.1:5000",
    "url": "http://127.0.0.1:5000/api/v1/lineage",
}
KEYS = [
    pytest.param(section, kind, name, id=f"{section}.{name}")
    for section, kind in TABLES.sections()
    for name, field in kind.model_fields.items()
    if TABLES.settings_in(field.annotation) is None
]


@pytest.mark.parametrize(("section", "kind", "name"), KEYS)
def test_a_key_is_described_and_its_default_can_be_written(section, kind, name):
    """The line below it says what it means; its default is shown as TOML that is read as the same default."""
    assert kind.descriptions()[name].endswith(".")
    shown = TABLES.default_of(kind.model_fields[name])
    if shown in ("required", "none"):
        return
    given = {key: SAMPLE[key] for key, other in kind.model_fields.items() if other.is_required()}
    default = kind.model_validate(given)
    assert kind.model_validate(given | tomllib.loads(f"{name} = {shown.strip('`')}")) == default


def test_every_section_has_its_table():
    """Under its own heading."""
    text = (TABLES.ROOT / "docs" / "configuration.md").read_text("utf-8")
    for section, _ in TABLES.sections():
        assert re.search(
            rf"^#+ \[{re.escape(section)}\]\n(?:(?!\n#)[\s\S])*<!-- generated: \[{re.escape(section)}\] -->", text, re.M
        )
