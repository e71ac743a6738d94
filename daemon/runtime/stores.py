"""The object store that a configuration names, and what is said of how it is reached, which may be a secret."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from daemon.config.config import Config
from daemon.runtime.secret_files import secret_file, variables
from retrain.store.backends.objects import OPTIONS, ObjectStore

CREDENTIAL = "driftd-store"
NEEDS_DATABASE = (
    "[service] store is for a ledger in a database: one in state_dir is lost with the folder",
    "name one in [service] ledger, or leave store out and use `driftd backup`",
)


def configured_store(config: Config, environment: Mapping[str, str] = os.environ) -> ObjectStore | None:
    """That of `[service] store`, of a shard the part below it that has its name; None without it. Refused where what
    says how it is reached cannot be read."""
    uri, shard = config.service.store, config.service.shard
    if uri is None:
        return None
    uri = uri if shard is None else f"{uri.rstrip('/')}/{shard}"
    return ObjectStore(uri, store_options(config, environment), lambda: store_options(config, environment))


def data_store(config: Config, name: str, environment: Mapping[str, str] = os.environ) -> ObjectStore | None:
    """The prefix that a model's data are in; None where they are in a folder. Refused as above."""
    uri = config.models[name].data_uri
    return None if uri is None else ObjectStore(uri, data_options(config, name, environment))


def store_options(config: Config, environment: Mapping[str, str]) -> dict[str, str]:
    """By the names of the environment's variables: those of the file before those of the environment. Refused says
    which line is none, and nothing that is in it."""
    return variables(_file(config, environment), OPTIONS, environment)


def data_options(config: Config, name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The same of a model's data: those of its own file, else those of the store."""
    return variables(_data_file(config, name, environment), OPTIONS, environment)


def store_files(config: Config, environment: Mapping[str, str]) -> Iterator[Path]:
    """The files that are read for it, and for models' data."""
    if config.service.store is not None and (file := _file(config, environment)) is not None:
        yield file
    for name, settings in config.models.items():
        if settings.data_uri is not None and (file := _data_file(config, name, environment)) is not None:
            yield file


def _data_file(config: Config, name: str, environment: Mapping[str, str]) -> Path | None:
    own = secret_file(config, config.models[name].data_dir_file, f"driftd-data-{name}", environment)
    return _file(config, environment) if own is None else own


def _file(config: Config, environment: Mapping[str, str]) -> Path | None:
    return secret_file(config, config.service.store_file, CREDENTIAL, environment)
