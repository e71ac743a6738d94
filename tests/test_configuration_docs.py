"""docs/configuration.md lists every key that there is, under its section, and no other."""

import re
import types
import typing
from pathlib import Path

from daemon.config.config import ServiceSettings
from retrain.records.settings import (
    Budget,
    ColumnSettings,
    Frozen,
    ModelSettings,
    duration_s,
    retrain_budget,
    size_bytes,
)

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
SECTION = re.compile(r"^#{2,3} \[([a-zA-Z_.]+)\]\n(.*?)(?=^#{2,3} |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `([a-z_]+)` \| ([^|]*) \|", re.MULTILINE)


def settings_in(annotation: object) -> type[Frozen] | None:
    """The settings class of an optional or plain field."""
    for one in (annotation, *typing.get_args(annotation)):
        if isinstance(one, type) and not isinstance(one, types.GenericAlias) and issubclass(one, Frozen):
            return one
    return None


def sections() -> dict[str, type[Frozen]]:
    """Every section with its settings."""
    found: dict[str, type[Frozen]] = {"service": ServiceSettings, "models.NAME": ModelSettings}
    found["models.NAME.columns"] = ColumnSettings
    for name, field in ModelSettings.model_fields.items():
        inner = settings_in(field.annotation)
        if inner is not None:
            found[f"models.NAME.{name}"] = inner
    return found


def test_every_key_is_documented():
    """Section by section, in no order."""
    told = {name: set(dict(ROW.findall(text))) for name, text in SECTION.findall(PAGE.read_text("utf-8"))}
    nested = {name.rpartition(".")[2] for name in sections() if name.count(".") == 2} - {"columns"}
    wanted = {
        name: set(kind.model_fields) - (nested if name == "models.NAME" else set()) for name, kind in sections().items()
    }
    assert told == wanted


def test_documented_defaults_are_the_real_ones():
    """A default that is written as a value is that value."""
    kinds = sections()
    for section, text in SECTION.findall(PAGE.read_text("utf-8")):
        for key, shown in ROW.findall(text):
            if not shown.startswith("`"):
                continue
            default = kinds[section].model_fields[key].default
            value = shown.strip("`").strip('"')
            if isinstance(default, bool):
                assert value == str(default).lower(), key
            elif isinstance(default, int | float):
                parsed = duration_s(value) if value[-1:] in "smhdw" and value[:-1].isdigit() else value
                parsed = size_bytes(value) if value.endswith("B") else parsed
                if "per" not in str(parsed):
                    assert float(parsed) == float(default), key
            elif isinstance(default, Budget):
                assert retrain_budget(value) == default, key
            elif default in ((), {}) or not isinstance(default, str):
                assert value in ("[]", "{}"), key
            else:
                assert value == default, key
