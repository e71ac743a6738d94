"""`driftd init --prediction`: the configuration of a model that another system serves."""

from pathlib import Path

import pytest

from daemon.config.config import load_config
from daemon.tools.init import write_config
from daemon.tools.replay.subject import configured_subject
from retrain.records.errors import WrongUse


def written(folder: Path, header: str, rows: list[str], prediction: str = "said", **more: str) -> tuple[Path, str]:
    """The configuration for a file, and what is told."""
    file, config = folder / "monday.csv", folder / "config.toml"
    file.write_text("\n".join([header, *rows]) + "\n")
    told = write_config(file, "left", more.get("task", ""), "churn", config, prediction=prediction)
    return config, "\n".join(told)


def rows(count: int = 60) -> list[str]:
    """Of customer, tenure, said, P(Yes), P(no), version, left."""
    lines = []
    for n in range(count):
        share = (n % 10) / 10
        said, truth = ("yes" if share > 0.5 else "no"), ("yes" if n % 3 else "no")
        lines.append(f"c{n:04d},{n % 17}.5,{said},{share},{1 - share:.1f},2.{n // 40},{truth}")
    return lines


HEADER = "customer,tenure,said,P(Yes),P(no),model_version,left"


def test_what_names_and_values_tell_is_written(tmp_path: Path) -> None:
    """Probabilities by the classes in their names, the version by its column: the configuration is valid, none of them
    is a feature, and what is read is told."""
    config, told = written(tmp_path, HEADER, rows())
    settings = load_config(config).models["churn"]
    assert settings.is_elsewhere and settings.prediction_column == "said"
    assert settings.probability_columns == {"yes": "P(Yes)", "no": "P(no)"}
    assert settings.version_column == "model_version" and not settings.challengers
    assert list(settings.columns) == ["customer", "tenure", "left"]
    assert "'said' is what it predicted, with the probabilities P(no) of 'no', P(Yes) of 'yes'" in told


def test_what_is_not_recognised_is_left_to_a_person(tmp_path: Path) -> None:
    """A column between 0 and 1 that names no class; no column of versions. What is to be set is told and commented."""
    config, told = written(tmp_path, HEADER.replace("P(Yes)", "score").replace("P(no)", "rest"), rows())
    settings = load_config(config).models["churn"]
    assert settings.probability_columns == {}
    assert "set probability_columns" in told
    assert '# probability_columns = { "…" = "…" }' in config.read_text()


def test_one_probability_of_two_classes_is_enough(tmp_path: Path) -> None:
    """The other class has the rest."""
    config, _ = written(tmp_path, HEADER.replace("P(no)", "rest"), rows())
    assert load_config(config).models["churn"].probability_columns == {"yes": "P(Yes)"}


def test_a_regression_has_no_probabilities(tmp_path: Path) -> None:
    """Numbers were predicted; without a column of versions the way out is told."""
    lines = [f"c{n:04d},{n % 17}.5,{n * 1.5},{n * 1.4}" for n in range(60)]
    config, told = written(tmp_path, "customer,tenure,said,left", lines)
    settings = load_config(config).models["churn"]
    assert settings.task == "regression" and settings.probability_columns == {}
    assert "probability_columns" not in config.read_text() + told
    assert "set version_column" in told


@pytest.mark.parametrize("prediction", ["sayd", "left"])
def test_a_wrong_column_is_told(tmp_path: Path, prediction: str) -> None:
    """One that is not there, or the target itself; nothing is written."""
    with pytest.raises(WrongUse, match=f"--prediction '{prediction}' is no column beside the target"):
        written(tmp_path, HEADER, rows(), prediction)
    assert not (tmp_path / "config.toml").exists()


def test_a_replay_says_how_to_do_without(tmp_path: Path) -> None:
    """What another system predicted is not replayed, and no model of driftd's own may learn from it: the command that
    leaves it out is told."""
    config, _ = written(tmp_path, HEADER, rows())
    with pytest.raises(WrongUse) as told:
        configured_subject(load_config(config), None, "", "")
    ignored = "--ignore said --ignore 'P(no)' --ignore 'P(Yes)' --ignore model_version"
    assert f"`driftd replay FILE… --target left {ignored}`" in str(told.value)
