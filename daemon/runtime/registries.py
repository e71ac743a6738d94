"""How the MLflow server and the collector of OpenLineage are reached, which may be a secret; and what the process that
mirrors into MLflow is asked."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from daemon.config.config import Config
from daemon.config.registries import MlflowSettings, OpenLineageSettings
from daemon.runtime.secret_files import read_secret, secret_file, variables
from retrain.operations import Request, Result
from retrain.records.errors import Refused

MLFLOW_CREDENTIAL, KEY_CREDENTIAL = "driftd-mlflow", "driftd-openlineage-key"
OPTIONS = (
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH", "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_WORKSPACE", "MLFLOW_S3_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION",
    "AZURE_STORAGE_CONNECTION_STRING", "GOOGLE_APPLICATION_CREDENTIALS",
)  # fmt: skip
"""The variables, as MLflow calls them, that say how it and where it keeps files is reached."""


class Dataset(msgspec.Struct, frozen=True):
    """A file that a version learned from: its name within the data folder, the SHA-256 of its content, how it came
    (`folder`, `source` …), and its rows."""

    name: str
    digest: str
    source: str
    rows: int


class WantedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version as the ledger has it. `folder` is where its files lie, None where retention removed them; `metrics` are
    numbers by name; `datasets` are the newest files that it learned from."""

    name: str
    digest: str
    number: int
    created_at: float
    folder: Path | None
    metrics: dict[str, float]
    tags: dict[str, str]
    datasets: tuple[Dataset, ...] = ()


class WantedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model as the ledger has it: its versions, the oldest first, which of them is the champion and which on trial,
    and its tags. By `origin` it is told from a model of the same name of another service."""

    name: str
    origin: str
    versions: tuple[WantedVersion, ...]
    champion: str | None
    challenger: str | None
    tags: dict[str, str]


class MirrorResult(Result, frozen=True, kw_only=True):
    """What had to be done, counted by kind; nothing where the server had all of it."""

    done: dict[str, int]


class MirrorRequest(Request[MirrorResult], frozen=True, kw_only=True):
    """Have the server at `tracking_uri` be as `wanted` says; `look_at_files`: see whether the versions' files are
    there, too. `options` are variables of the environment, which may be secrets."""

    tracking_uri: str
    registered: str
    experiment: str
    wanted: WantedModel
    options: dict[str, str]
    look_at_files: bool = False


def mlflow_options(config: Config, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """How the server is reached, by the names of MLflow's variables: those of the file before those of the environment.
    Refused says which line is none, and nothing that is in it."""
    file = None if config.mlflow is None else _mlflow_file(config, config.mlflow, environment)
    return variables(file, OPTIONS, environment)


def lineage_key(config: Config, environment: Mapping[str, str]) -> str | None:
    """The API key of the collector; None where there is none."""
    if config.openlineage is None or (file := _key_file(config, config.openlineage, environment)) is None:
        return None
    key = read_secret(file).decode("utf-8", "replace")
    if not key.isascii() or not key.isprintable() or not key:
        raise Refused(f"{file}: expected one line of ASCII")
    return key


def registry_files(config: Config, environment: Mapping[str, str]) -> Iterator[Path]:
    """The files of secrets that are read for both."""
    if config.mlflow is not None and (file := _mlflow_file(config, config.mlflow, environment)) is not None:
        yield file
    if config.openlineage is not None and (file := _key_file(config, config.openlineage, environment)) is not None:
        yield file


def _mlflow_file(config: Config, mlflow: MlflowSettings, environment: Mapping[str, str]) -> Path | None:
    return secret_file(config, mlflow.credentials_file, MLFLOW_CREDENTIAL, environment)


def _key_file(config: Config, lineage: OpenLineageSettings, environment: Mapping[str, str]) -> Path | None:
    return secret_file(config, lineage.key_file, KEY_CREDENTIAL, environment)
