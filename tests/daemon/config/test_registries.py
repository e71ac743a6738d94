"""The sections [mlflow] and [openlineage]: mistakes are told with their line, and no secret."""

import pytest

from daemon.config.config import ConfigErrors, load_config

MODEL = '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n'
CASES = {
    '[mlflow]\ntracking_uri = "https://driftd:hunter2@mlflow"': "a user or password is in it",
    '[mlflow]\ntracking_uri = "sqlite:///mlflow.db"': "no URL of a server",
    '[mlflow]\ntracking_uri = "http://h:99999"': "it cannot be read",
    '[mlflow]\ntracking_uri = "http://h"\nname = "churn"': "with {model} among them",
    '[mlflow]\ntracking_uri = "http://h"\nexperiment = "a\'b {model}"': "with {model} among them",
    '[mlflow]\nname = "{model}"': "tracking_uri is missing",
    '[openlineage]\nurl = "https://u:hunter2@h/x"': "a user or password is in it",
    '[openlineage]\nurl = "http://h/x"\nkey = "hunter2"': "is not a key that driftd knows",
}


@pytest.mark.parametrize("text", CASES, ids=lambda text: CASES[text])
def test_a_mistake_is_told_without_what_may_be_a_secret(tmp_path, text):
    """With its place and what was expected."""
    (tmp_path / "config.toml").write_text(text + "\n" + MODEL)
    with pytest.raises(ConfigErrors) as told:
        load_config(tmp_path / "config.toml")
    (line,) = told.value.errors
    assert CASES[text] in line and "hunter2" not in line


def test_both_are_read(tmp_path):
    """Names are made of the model's."""
    text = '[mlflow]\ntracking_uri = "http://h:5000"\nname = "driftd-{model}"\n[openlineage]\nurl = "http://h/x"\n'
    (tmp_path / "config.toml").write_text(text + MODEL)
    config = load_config(tmp_path / "config.toml")
    assert config.mlflow is not None and config.mlflow.registered("m") == "driftd-m"
    assert config.mlflow.experiment_of("m") == "driftd m" and config.openlineage is not None
