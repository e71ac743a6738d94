"""What is wrong with the folders of scoring is told, by the configuration and by the doctor."""

import pytest

from daemon.config.config import ConfigErrors, load_config
from daemon.config.patience import Patience
from daemon.tools.doctor import _scoring

MODEL = '[models.{name}]\ndata_dir = "{name}"\ntask = "classification"\ntarget = "y"\n'


def configured(tmp_path, *sections: str):
    """The configuration of model m, and what follows it."""
    (tmp_path / "config.toml").write_text(MODEL.format(name="m") + "\n".join(sections))
    return load_config(tmp_path / "config.toml")


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ('in_dir = "in"', "in_dir and out_dir go together"),
        ('in_dir = "in"\nout_dir = "in"', "out_dir 'in' overlaps 'in', [models.m.scoring] in_dir"),
        ('in_dir = "m/in"\nout_dir = "out"', "in_dir 'm/in' overlaps 'm', [models.m] data_dir; neither may lie in the"),
        ('in_dir = "in"\nout_dir = "state/out"', "out_dir 'state/out' overlaps 'state', [service] state_dir"),
        ('in_dir = "in"\nout_dir = "in/out"', "out_dir 'in/out' overlaps 'in', [models.m.scoring] in_dir"),
    ],
)
def test_folders_that_cannot_be_are_refused_with_their_line(tmp_path, section, told):
    """Both are given, and neither lies in the other, nor with data or state."""
    with pytest.raises(ConfigErrors) as refused:
        configured(tmp_path, "[models.m.scoring]", section)
    assert told in str(refused.value)


def test_two_models_may_not_share_a_folder_of_results(tmp_path):
    """Nor a folder of files."""
    scoring = '[models.{0}.scoring]\nin_dir = "in-{0}"\nout_dir = "out"'
    with pytest.raises(ConfigErrors) as refused:
        configured(tmp_path, scoring.format("m"), MODEL.format(name="n"), scoring.format("n"))
    assert "[models.n.scoring] out_dir 'out' overlaps 'out', [models.m.scoring] out_dir" in str(refused.value)


def test_a_model_that_recommends_scores_no_files(tmp_path):
    """It has no answer to a row."""
    (tmp_path / "config.toml").write_text(
        '[models.r]\ndata_dir = "r"\ntask = "recommendation"\nuser_column = "u"\nitem_column = "i"\n'
        'time_column = "t"\n[models.r.scoring]\nin_dir = "in"\nout_dir = "out"\n'
    )
    with pytest.raises(ConfigErrors, match="a recommendation answers with lists"):
        load_config(tmp_path / "config.toml")


def test_the_doctor_looks_at_both_folders(tmp_path):
    """Whether they are there, or can be made, and are folders."""
    config = configured(tmp_path, '[models.m.scoring]\nin_dir = "in"\nout_dir = "out"')
    first = list(_scoring(config, "m", Patience()))
    assert [one.level for one in first] == ["warning", "warning"]
    assert "the service makes it; or correct scoring.in_dir" in first[0].way_out
    (tmp_path / "in").mkdir()
    (tmp_path / "out").write_text("no folder")
    second = list(_scoring(config, "m", Patience()))
    assert [one.level for one in second] == ["ok", "error"]
    assert second[0].what == f"m: files dropped into {tmp_path / 'in'} are scored"
    assert second[1].what == f"m: {tmp_path / 'out'} is no folder"
    assert list(_scoring(configured(tmp_path), "m", Patience())) == []
