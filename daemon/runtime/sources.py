"""The databases that models pull rows from: each URL of the configuration, a file beside it, or a credential."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from daemon.config.config import Config
from daemon.runtime.secret_files import read_secret, secret_file
from retrain.records.errors import Refused
from retrain.records.settings.source import why_no_database


def source_url(config: Config, model: str, environment: Mapping[str, str]) -> str:
    """The URL of a model's database, which may have a password; Refused says which file cannot be used, and nothing
    that is in it."""
    source = config.models[model].source
    assert source is not None, "asked for models with a source"
    if source.url is not None:
        return source.url
    file = _file(config, model, environment)
    if file is None:
        way_out = f"give url, url_file, or the systemd credential {_credential(model)}"
        raise Refused(f"[models.{model}.source] has no URL", way_out)
    url = read_secret(file).decode("utf-8", "replace")
    if (why := why_no_database(url, secret=True)) is not None:
        raise Refused(f"{file}: {why}")
    return url


def source_files(config: Config, environment: Mapping[str, str]) -> Iterator[Path]:
    """The files that URLs of databases are read from."""
    for model, settings in config.models.items():
        if settings.source is not None and (file := _file(config, model, environment)) is not None:
            yield file


def _file(config: Config, model: str, environment: Mapping[str, str]) -> Path | None:
    source = config.models[model].source
    return None if source is None else secret_file(config, source.url_file, _credential(model), environment)


def _credential(model: str) -> str:
    return f"driftd-source-{model}-url"
