"""The configuration: all mistakes at once, each with its line; defaults; what keys have to do with each other."""

import re
from collections.abc import Iterator
from typing import get_args

import pytest

from daemon.config.config import ConfigErrors, load_config, selected
from daemon.config.service import ServiceSettings
from daemon.config.toml_lines import key_lines
from retrain.records.errors import Refused
from retrain.records.settings import ColumnSettings, Frozen, ModelSettings

MINIMAL = {"data_dir": '"d"', "task": '"classification"', "target": '"y"'}

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
    assert "expected 'classification', 'regression' or 'recommendation'; did you mean 'classification'?" in found[2]
    assert "has 4 fields" in found[3]
    assert "[models.a.drift] false_alarms is 1.5" in found[4]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no model"),
        ("[models.m]\n", "data_dir is missing"),
        (GOOD + "x = \n", "not valid TOML"),
        (GOOD.replace('"d"', '"gs://lake/a"'), "data_dir is no URI of an object store; expected s3://BUCKET or"),
        (
            GOOD.replace('"d"', '"s3://lake/a//b"'),
            'data_dir has a part without a name, "." or ".."; expected s3://BUCKET',
        ),
        (GOOD + 'data_dir_file = "f"\n', "data_dir_file says how an object store is reached, and data_dir is a folder"),
        (
            GOOD + 'scoring = { in_dir = "s3://a/b", out_dir = "o" }\n',
            "in_dir and out_dir are folders; an object store",
        ),
        (GOOD + 'intake.poll_quiet = "1s"\n', "poll_quiet is 1 s; expected no less than poll, 5 s"),
        (GOOD + 'id_colum = "i"\n', "did you mean 'id_column'?"),
        (GOOD + '[models.m.columns]\nx = "number"\n', "target is 'y', which [models.m.columns] does not declare"),
        (
            GOOD + '[models.m.columns]\ny = "words"\n',
            "expected 'number', 'integer', 'boolean', 'category', 'datetime' or 'text'",
        ),
        (
            GOOD + '[models.m.labels]\nmaturity = "9d"\nnegative = "No"\n[models.m.columns]\n'
            'y = { type = "category", categories = ["no", "yes"] }\n',
            "negative is 'No', which [models.m.columns] does not declare as a category of 'y'; expected one of no, yes",
        ),
        (
            GOOD + "[models.m.decision]\ncosts = { Yes = 5 }\n[models.m.columns]\n"
            'y = { type = "category", categories = ["yes", "no"] }\n',
            "costs names 'Yes', which [models.m.columns] does not declare as a category of 'y'; did you mean 'yes'?",
        ),
        (
            GOOD + '[models.m.gate]\nslices = ["g"]\n[models.m.groups]\npositive = "Yes"\n[models.m.columns]\n'
            'g = "category"\ny = { type = "category", categories = ["yes", "no"] }\n',
            "positive is 'Yes', which [models.m.columns] does not declare as a category of 'y'; did you mean 'yes'?",
        ),
        (GOOD + "[models.m.groups]\nwindow = 4\n", "[groups] is of the columns gate.slices, and there are none"),
        (
            GOOD.replace("classification", "regression")
            + '[models.m.gate]\nslices = ["g"]\n[models.m.groups]\nmax_difference = 0.1\n',
            "groups.positive and groups.max_difference are of classes, and a regression has none",
        ),
        (GOOD + "[models.m.decision]\nthreshold = 0.3\n", "threshold needs positive, the class that it is of"),
        (GOOD + "[models.m.decision]\ncosts = { yes = 0 }\n", "all costs are 0; expected one above 0"),
        (GOOD + "[models.m.decision]\ncosts = { yes = -1 }\n", "costs.yes is -1; expected a number, 0 or more"),
        (
            GOOD + '[models.m.decision]\nthreshold = 1.5\npositive = "yes"\n',
            'threshold is 1.5; expected a number between 0 and 1, or "auto"',
        ),
        (
            GOOD + 'metric = "roc_auc"\n[models.m.decision]\nthreshold = "auto"\npositive = "yes"\n',
            'threshold is "auto", and roc_auc goes by probabilities: no threshold does better than another; give',
        ),
        (
            GOOD + '[models.m.labels]\nmaturity = "9d"\nnegative = "False"\n[models.m.columns]\ny = "boolean"\n',
            "negative is 'False', which no 'y' is called; expected false or true",
        ),
        (
            GOOD + '[models.m.labels]\nmaturity = "9d"\nnegative = "no"\n[models.m.columns]\ny = "integer"\n',
            "negative is 'no', which no 'y' is called; expected a whole number as text",
        ),
        (GOOD + "[models.m.labels]\nmaturity = 30\n", 'expected an age such as "30d", "12h" or "5 files"'),
        (GOOD + '[models.m.labels]\nmaturity = "0 files"\n', 'expected an age such as "30d", "12h" or "5 files"'),
        (GOOD + '[models.m.columns]\ny = "text"\n', "a classification needs category, boolean or integer"),
        (GOOD + 'id_column = "i"\n[models.m.columns]\ni = "text"\n', "expected category or integer"),
        (GOOD + '[models.m.columns]\ny = "number"\n', "a classification needs category, boolean or integer"),
        (GOOD + '[models.m.triggers]\ncooldown = "soon"\n', 'expected a duration such as "30s"'),
        (GOOD + '[models.m.window]\nkind = "last"\n', 'kind = "last" needs last'),
        (GOOD + '[models.m.drift]\nfalse_alarms = "1 in 100"\n', 'expected a budget such as "1 per 100 checks"'),
        (
            GOOD + "[models.m.gate]\nmax_worse_se = 2.5\n",
            "[models.m] gate: max_worse_se was replaced by tolerance, a share of the standard deviation of what is",
        ),
        (GOOD + '[models.m.drift]\ndetector = "hddm"\n', 'that detector was removed: "adwin", the default'),
        (GOOD + 'metric = "mae"\n', "metric is 'mae'; a classification has auto, balanced_accuracy, accuracy"),
        (
            GOOD.replace("classification", "regression") + 'metric = "accuracy"\n',
            "a regression has auto, mae, rmse, r2",
        ),
        (GOOD + 'check_schedule = "0 0 * * FUN"\n', "weekday 'FUN' is not one of 0-7 or SUN-SAT"),
        (
            GOOD + GOOD.replace("models.m", "models.n").replace('"d"', '"d/e"'),
            "data_dir 'd/e' overlaps 'd', [models.m] data_dir; neither may lie in the other",
        ),
        (GOOD.replace('"d"', '"state/d"'), "overlaps 'state', [service] state_dir"),
        (GOOD.replace('"d"', '"state"'), "overlaps 'state', [service] state_dir"),
        ('[service.log]\nfile = "d/driftd.jsonl"\n' + GOOD, "overlaps 'd/driftd.jsonl', [service.log] file"),
        (GOOD + "a = 1\na = 2\n", "config.toml:6: not valid TOML: this key is already there"),
        (GOOD + "x = yes\n", "config.toml:5: not valid TOML: expected a value after =: text in quotes"),
        (GOOD + '[models.m.columns]\ny = { typ = "boolean" }\n', "did you mean 'type'?"),
        (GOOD + "[models.m.columns]\ny = 4\n", """y is 4; expected a type such as "number", or { type"""),
        (
            GOOD + 'drift = "adwin"\n',
            "drift is 'adwin'; expected a section [models.m.drift] with keys such as false_al",
        ),
        (GOOD.replace("classification", "clasification"), "did you mean 'classification'?"),
        (GOOD + 'metric = "acuracy"\n', "did you mean 'accuracy'?"),
        (GOOD + "[models.m.triggers]\nfirst_rows = true\n", "first_rows is true; expected a whole number"),
        (GOOD + '[models.m.suspicion]\nkinds = ["unit_bugs"]\n', "kinds has 'unit_bugs'; expected 'duplicated_rows',"),
        ('[service]\ntimezone = "Mars"\n' + GOOD, "expected a time zone"),
        (GOOD.replace("[models.m]", '[models."a b"]'), "is no valid name"),
        (GOOD.replace("[models.m]", '[models."a\\n"]'), "is no valid name"),
        ("[model.m]\n", "did you mean 'models'?"),
        (GOOD + '[models.m.columns]\ny = { type = "category", min = 1 }\n', "min and max are for numbers"),
        (
            GOOD + '[models.m.columns]\ny = "boolean"\nx = { type = "number", min = 2, max = 1 }\n',
            "min 2 is above max 1",
        ),
        (GOOD.replace('"y"', '""'), "target is ''; expected the name of a column"),
        (GOOD.replace('"y"', '" "'), "target is ' '; expected the name of a column"),
        (GOOD + 'time_column = "y"\n', "time_column is 'y', which is target already"),
        (GOOD + 'id_column = "y"\n', "id_column is 'y', which is target already"),
        (GOOD + 'id_column = "t"\ntime_column = "t"\n', "which is time_column already"),
        (GOOD + '[models.m.columns]\ny = "category"\n"" = "number"\n', 'columns names ""'),
        (GOOD + '[models.m.intake]\ndelimiter = "ab"\n', "expected one character that stands in no field"),
        (GOOD + "[models.m.intake]\ndelimiter = '\"'\n", "expected one character that stands in no field"),
        (GOOD + '[models.m.intake]\ndelimiter = "x"\n', "expected one character that stands in no field"),
        (GOOD + '[models.m.intake]\ndelimiter = "\\n"\n', "expected one character that stands in no field"),
        (GOOD + '[models.m.intake]\ndate_format = "%Q"\n', "expected one such as"),
        (GOOD + '[models.m.intake]\npatterns = ["../*.csv"]\n', "expected patterns of names, without folders"),
        (GOOD + "[models.m.intake]\npatterns = []\n", "expected patterns of names"),
        (GOOD + "[models.m.intake]\nsettle = inf\n", "settle is inf; expected a duration"),
        (GOOD + '[models.m.intake]\nrescan = "40000d"\n', "expected at most 100 years"),
        (GOOD + '[models.m.limits]\nmax_file = "9999999TB"\n', "expected at most 1000000TB"),
        (GOOD + "[models.m.window]\nmax_rows = 10000000000000000000\n", "expected a number of at most 1e+15"),
        (GOOD + "[models.m.window]\nhalf_life_files = 1e300\n", "expected a number of at most 1e+15"),
        (GOOD + 'on_promotion = "sh -c \'x"\n', "expected a program and its arguments: no closing quotation"),
        (GOOD + '[models.m.retention]\npinned = ["../../x"]\n', "'../../x' is no name of a version"),
        (GOOD + 'check_schedule = "0 0 31 2 *"\n', "'0 0 31 2 *' never comes"),
        ('[service]\nread_token_file = ""\n' + GOOD, "expected text that is not empty"),
        ('[service]\nhosts = [""]\n' + GOOD, "expected text that is not empty"),
        (GOOD.replace('"d"', '"a\\u0000"'), "expected text in one line"),
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


def test_contradictions_are_told_beside_all_other_mistakes(tmp_path):
    """Not only after these are mended; but no contradiction with a key that is wrong by itself."""
    found = errors(
        tmp_path,
        '[service]\nworkers = "two"\n[models.m]\ndata_dir = "state/d"\ntask = "regression"\ntarget = "z"\n'
        'metric = "f1"\ncheck_schedule = "daily"\n[models.m.window]\nkind = "last"\nmax_rows = 1\n'
        '[models.m.rollout]\nperiod = "2h"\nlongest = "soon"\n[models.m.columns]\ny = "number"\nx = 3\n'
        '[models.n]\ntask = "guess"\n',
    )
    assert [int(error.split(":")[1]) for error in found] == [2, 4, 6, 7, 8, 9, 11, 14, 17, 18, 18, 19]
    told = "\n".join(found)
    for part in (
        "overlaps",
        "'z', which [models.m.columns] does not declare",
        "a regression has",
        "needs last, such as",
    ):
        assert part in told
    assert "shorter than the period" not in told


def test_models_may_share_a_folder(tmp_path):
    """Each takes every file."""
    (tmp_path / "config.toml").write_text(GOOD + GOOD.replace("models.m", "models.n"))
    assert list(load_config(tmp_path / "config.toml").models) == ["m", "n"]


VALUES = (
    "[]", "{}", "[1]", "{ a = 1 }", '"x"', '""', "7", "-1", "0", "0.5", "-0.5", "true", "false", "2024-01-01", "inf", "nan",
    "[[1]]", "{ type = 3 }", '["a", 1]',
)  # fmt: skip
LIBRARY_WORDS = re.compile(
    r"instance|pydantic|[a-z]_error|[a-z]_type\b|dictionary|\bdict\b|tuple|valid|input|Settings|None|True|False|__|'>"
)


def keys(kind: type[Frozen], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every key of a section and of those below it."""
    for name, field in kind.model_fields.items():
        yield (*path, name)
        for one in (field.annotation, *get_args(field.annotation)):
            if isinstance(one, type) and issubclass(one, Frozen):
                yield from keys(one, (*path, name))


EVERY_KEY = [
    *keys(ServiceSettings, ("service",)), *keys(ModelSettings, ("models", "m")),
    *keys(ColumnSettings, ("models", "m", "columns", "x")),
]  # fmt: skip


@pytest.mark.parametrize("key", EVERY_KEY, ids=".".join)
def test_any_value_of_any_key_is_taken_or_refused_in_plain_words(tmp_path, key):
    """Each mistake names the file, the line and what was expected; no word of a library or of Python."""
    path = tmp_path / "config.toml"
    for value in VALUES:
        given = {("models", "m", name): text for name, text in MINIMAL.items()} | {key: value}
        if key[-2] == "x":
            given = {(*key[:-1], "type"): '"number"'} | given
        path.write_text("\n".join(f"{'.'.join(name)} = {text}" for name, text in given.items()))
        try:
            load_config(path)
        except ConfigErrors as caught:
            for error in caught.errors:
                told = re.sub(r"is (not a key that driftd knows|\[\[.*).*", "", error.removeprefix(str(path)))
                assert re.match(r":\d+: \[", told) and not LIBRARY_WORDS.search(told), error


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


def test_what_is_rare_or_large_is_no_mistake(tmp_path):
    """A leap day, a tab, long times, bounds of any size, and numbers that are classes."""
    text = GOOD + (
        'check_schedule = "0 0 29 2 *"\nretrain_schedule = "0 0 31 2 1"\n[models.m.intake]\ndelimiter = "\\t"\n'
        'settle = "36500d"\ndate_format = "%-d.%m.%Y"\n[models.m.retention]\npinned = ["v0003", "v0004-1a2b3c4d"]\n'
        '[models.m.columns]\ny = "category"\nx = { type = "number", min = -1e300, max = 1e18 }\n'
    )
    (tmp_path / "config.toml").write_text(text)
    assert load_config(tmp_path / "config.toml").models["m"].intake.delimiter == "\t"


def test_patterns_select_models(tmp_path):
    """As a shell matches files; what names none says which there are."""
    path = tmp_path / "config.toml"
    path.write_text("".join(GOOD.replace("models.m", f"models.{name}") for name in ("churn", "eu-a", "eu-b", "us")))
    config = load_config(path)
    assert list(selected(config, "churn, eu-*").models) == ["churn", "eu-a", "eu-b"]
    with pytest.raises(Refused) as refused:
        selected(config, "asia-*")
    assert "asia-*" in refused.value.message and "churn, eu-a, eu-b, us" in refused.value.hint
