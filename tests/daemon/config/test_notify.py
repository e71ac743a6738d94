"""Destinations of notifications: their mistakes are told with their lines, and without what may be a secret."""

import pytest

from daemon.config.config import ConfigErrors, load_config

MODEL = '[models.m]\ndata_dir = "d"\ntask = "regression"\ntarget = "y"\n'


def mistakes(tmp_path, *sections: str) -> list[str]:
    """Those of a configuration with these destinations; each begins with its line."""
    path = tmp_path / "config.toml"
    path.write_text(MODEL + "".join(f"[[notify]]\n{section}\n" for section in sections))
    with pytest.raises(ConfigErrors) as refused:
        load_config(path)
    return [line.removeprefix(f"{path}:") for line in refused.value.errors]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ('name = "a b"', "6: [[notify]] name: expected at most 32 letters"),
        ('url = "https://a.example"', "5: [[notify]] name is missing"),
        ('name = "a"\nurl = "ftp://u:hunter2@a.example"', "5: [[notify]]: url has another scheme"),
        ('name = "a"\nurl = "htps://hunter2.example"', "5: [[notify]]: url cannot be read; did you mean https://?"),
        ('name = "a"\nurl = "hunter2"', "5: [[notify]]: url cannot be read; expected https://HOST/PATH"),
        ('name = "a"\nurl = "slack://hunter2"\nto = ["a@example.com"]', "5: [[notify]]: to is of e-mail"),
        ('name = "a"\nurl = "https://u:hunter2@a.example"', "5: [[notify]]: url has a user or password"),
        ('name = "a"\nurl = "https://[::1/hunter2"', "5: [[notify]]: url cannot be read"),
        ('name = "a"\nurl = "https://hunter2..example/x"', "5: [[notify]]: url cannot be read"),
        ('name = "a"\nurl = ["https://a.example/hunter2"]', "7: [[notify]] url: expected text in quotes"),
        ('name = "a"\nto = ["https://a.example/hunter2"]', "7: [[notify]] to: expected addresses such as"),
        ('name = "a"\nmodels = ["https://a.example/hunter2"]', "7: [[notify]] models names one that there is not"),
        ('name = "a"\nurl = "https://a.example"\nurl_file = "hunter2"', "5: [[notify]]: expected url or url_file"),
        ('name = "a"\nevents = ["drift_detectd"]', "or names of log events; did you mean 'drift_detected'?"),
        ('name = "a"\nmodels = ["mm"]', "7: [[notify]] models names one that there is not; did you mean 'm'?"),
        ('name = "a"\nmost_per_hour = 0', "7: [[notify]] most_per_hour: expected at least 1"),
        ('name = "a"\nquiet = "22:00-24:00"', "7: [[notify]] quiet: expected two times of day"),
        ('name = "a"\nquiet = "07:00-07:00"', "7: [[notify]] quiet: expected two times of day"),
        ('name = "a"\nurll = "x"', "7: [[notify]] urll is not a key that driftd knows; did you mean 'url'?"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_no_secret(section, told, tmp_path):
    """Also one that is seen only where all keys are right by themselves."""
    found = mistakes(tmp_path, section)
    assert any(told in line for line in found), found
    assert "hunter2" not in "".join(found)


def test_each_of_several_has_its_own_lines(tmp_path):
    """All mistakes are told at once, and a name is taken once."""
    found = mistakes(tmp_path, 'name = "a"', 'name = "a"', 'name = "b"\ncooldown = 3.5.1'.replace("3.5.1", '"soon"'))
    assert [line.partition(":")[0] for line in found] == ["8", "11"]
    assert "name is 'a' once more" in found[0] and "cooldown: expected" in found[1]


def test_one_section_is_none_of_several(tmp_path):
    """`[notify]` says what it should have been."""
    path = tmp_path / "config.toml"
    path.write_text(MODEL + '[notify]\nname = "a"\n')
    with pytest.raises(ConfigErrors, match=r":5: \[notify\] is one section; expected \[\[notify\]\]"):
        load_config(path)
