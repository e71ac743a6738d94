"""What keys of a model that another system serves contradict."""

import pytest

from daemon.config.config import ConfigErrors, load_config

HEAD = """\
[models.m]
data_dir = "d"
task = "classification"
target = "y"
"""


def mistakes(tmp_path, text: str, head: str = HEAD) -> str:
    """What is said of a configuration."""
    path = tmp_path / "config.toml"
    path.write_text(head + text)
    with pytest.raises(ConfigErrors) as told:
        load_config(path)
    return str(told.value)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ('served = "elsewhere"', 5, "without prediction_column; expected the column"),
        ('prediction_column = "p"', 5, 'expected served = "elsewhere"'),
        ('served = "elsewhere"\nprediction_column = "y"', 6, "which is target already"),
        (
            'served = "elsewhere"\nprediction_column = "p"\n[models.m.estimator]\ntype = "x"',
            7,
            "expected challengers = true",
        ),
        ('served = "elsewhere"\nprediction_column = "p"\n[models.m.scoring]\nin_dir = "a"', 7, "scores no files"),
        ('served = "elsewhere"\nprediction_column = "p"\nprobability_columns = { a = "p" }', 7, "a column of its own"),
        ('served = "elswhere"', 5, "did you mean 'elsewhere'"),
    ],
)
def test_contradictions_are_told_with_their_line(tmp_path, text, line, expected):
    """And what was expected."""
    told = mistakes(tmp_path, text)
    assert f"config.toml:{line}: " in told
    assert expected in told


def test_a_recommendation_is_served_here(tmp_path):
    """What another system recommended is no prediction of a row."""
    head = HEAD.replace("classification", "recommendation").replace(
        'target = "y"', 'user_column = "u"\nitem_column = "i"\ntime_column = "t"'
    )
    assert "regression" in mistakes(tmp_path, 'served = "elsewhere"\nprediction_column = "p"', head)


def test_a_whole_configuration_is_taken(tmp_path):
    """With challengers and how these are trained."""
    path = tmp_path / "config.toml"
    path.write_text(
        HEAD + 'served = "elsewhere"\nprediction_column = "p"\nprobability_columns = { a = "pa", b = "pb" }\n'
        'version_column = "v"\nchallengers = true\nestimator.seed = 3\n'
    )
    assert load_config(path).models["m"].is_elsewhere
