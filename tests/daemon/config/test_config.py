"""The configuration: all mistakes at once, each with its line; defaults; what keys have to do with each other."""

import pytest

from daemon.config.config import ConfigErrors, load_config
from daemon.config.toml_lines import key_lines

GOOD = '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n'


def errors(folder, text: str) -> list[str]:
    """What is wrong, without the folder."""
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigErrors) as caught:
        load_config(path)
    return [error.replace(str(folder) + "/", "") for error in caught.value.errors]


def test_five_mistakes_are_told_at_once_with_their_lines(tmp_path):
    """In the order of the file, each with what was expected."""
    found = errors(
        tmp_path,
        '[service]\nlisten = "8080"\nstatedir = "x"\n\n[models.a]\ndata_dir = "d"\ntask = "clasification"\n'
        'target = "y"\ncheck_schedule = "* * * *"\n[models.a.drift]\nfalse_alarms = 1.5\n',
    )
    assert [error.split(" ", 1)[0] for error in found] == [
        "config.toml:2:", "config.toml:3:", "config.toml:7:", "config.toml:9:", "config.toml:11:",
    ]  # fmt: skip
    assert 'expected "HOST:PORT"' in found[0]
    assert "did you mean 'state_dir'?" in found[1]
    assert "expected 'classification' or 'regression'" in found[2]
    assert "has 4 fields" in found[3]
    assert "[models.a.drift] false_alarms is 1.5" in found[4]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no model"),
        ("[models.m]\n", "data_dir is missing"),
        (GOOD + "x = \n", "not valid TOML"),
        (GOOD + 'id_colum = "i"\n', "did you mean 'id_column'?"),
        (GOOD + '[models.m.columns]\nx = "number"\n', "target is 'y', which [models.m.columns] does not declare"),
        (
            GOOD + '[models.m.columns]\ny = "words"\n',
            "expected 'number', 'integer', 'boolean', 'category', 'datetime' or 'text'",
        ),
        (GOOD + '[models.m.columns]\ny = "text"\n', "a classification needs category, boolean or integer"),
        (GOOD + 'id_column = "i"\n[models.m.columns]\ni = "text"\n', "expected category or integer"),
        (GOOD + '[models.m.columns]\ny = "number"\n', "a classification needs category, boolean or integer"),
        (GOOD + '[models.m.triggers]\ncooldown = "soon"\n', 'expected a duration such as "30s"'),
        (GOOD + '[models.m.window]\nkind = "last"\n', 'kind = "last" needs last'),
        (GOOD + '[models.m.drift]\nfalse_alarms = "1 in 100"\n', 'expected a budget such as "1 per 100 checks"'),
        (GOOD + '[models.m.drift]\ndetector = "hddm"\n', 'that detector was removed: "adwin", the default'),
        (GOOD + 'metric = "mae"\n', "metric is 'mae'; a classification has auto, balanced_accuracy, accuracy"),
        (
            GOOD.replace("classification", "regression") + 'metric = "accuracy"\n',
            "a regression has auto, mae, rmse, r2",
        ),
        (GOOD + 'check_schedule = "0 0 * * FUN"\n', "weekday 'FUN' is not one of 0-7 or SUN-SAT"),
        (GOOD + GOOD.replace("models.m", "models.n"), "overlaps that of m"),
        (GOOD.replace('"d"', '"state/d"'), "overlaps [service] state_dir"),
        ('[service]\ntimezone = "Mars"\n' + GOOD, "expected a time zone"),
        (GOOD.replace("[models.m]", '[models."a b"]'), "is no valid name"),
        ("[model.m]\n", "did you mean 'models'?"),
        (GOOD + '[models.m.columns]\ny = { type = "category", min = 1 }\n', "min and max are for numbers"),
        (
            GOOD + '[models.m.columns]\ny = "boolean"\nx = { type = "number", min = 2, max = 1 }\n',
            "min 2 is above max 1",
        ),
    ],
)
def test_each_mistake_is_told_with_the_way_out(tmp_path, text, told):
    """Unknown keys, wrong types, impossible values and contradictions."""
    assert any(told in error for error in errors(tmp_path, text)), errors(tmp_path, text)


@pytest.mark.parametrize("former", [False, True], ids=["today", "before"])
def test_former_names_are_read_as_todays(tmp_path, former):
    """`layers` is `adaptation`, `relative_mae` is `mae_skill`; a mistake names the key as the file has it."""
    section, metric = ("layers", "relative_mae") if former else ("adaptation", "mae_skill")
    text = (
        GOOD.replace('"classification"', '"regression"') + f'metric = "{metric}"\n[models.m.{section}]\narchive = 1\n'
    )
    path = tmp_path / "config.toml"
    path.write_text(text)
    (settings,) = load_config(path).models.values()
    assert (settings.metric, settings.adaptation.archive) == ("mae_skill", 1)
    (error,) = errors(tmp_path, text + "archiv = 2\n")
    assert f"[models.m.{section}] archiv is not a key" in error and f":{text.count(chr(10)) + 1}:" in error


def test_a_missing_file_is_told_with_the_way_out(tmp_path):
    """It says what to do."""
    with pytest.raises(ConfigErrors, match="driftd init"):
        load_config(tmp_path / "nothing.toml")


def test_paths_are_relative_to_the_file(tmp_path):
    """Wherever the command is run."""
    path = tmp_path / "config.toml"
    path.write_text(GOOD)
    assert load_config(path).state_dir == tmp_path / "state"


def test_every_key_has_its_line():
    """Quoted keys, dotted keys, inline tables, arrays and strings over several lines."""
    text = '[a]\n"x y" = 1\nb.c = 2\nl = [\n "]",\n 1\n]\ns = """\n[no]\nk = 1\n"""\n[a.d] # c\ne = { f = 1 }\n'
    assert key_lines(text) == {
        ("a",): 1, ("a", "x y"): 2, ("a", "b", "c"): 3, ("a", "l"): 4, ("a", "s"): 8, ("a", "d"): 12, ("a", "d", "e"): 13,
    }  # fmt: skip
