"""The sections [mlflow] and [openlineage] of the configuration: who else is told of versions and cycles."""

import re
from urllib.parse import urlsplit

from pydantic import field_validator

from retrain.records.settings import Duration, Frozen

EXPECTED_MLFLOW = "expected http://HOST:PORT or https://HOST/PATH"
NAMED = re.compile(r"[A-Za-z0-9_.{} -]{1,200}")
MODEL = "{model}"
MLFLOW, OPENLINEAGE = "[mlflow]", "[openlineage]"
"""What the outbox of the ledger calls them: no destination of [[notify]] can have these names."""


class MlflowSettings(Frozen):
    """The MLflow server that has a copy of each version. A reload applies all of it."""

    tracking_uri: str
    """The server, `http://HOST:PORT` or `https://HOST`, without a user or password; needs `driftd[mlflow]`. See [the
    mirror in MLflow](registry.md)."""
    credentials_file: str | None = None
    """A file of lines such as `MLFLOW_TRACKING_TOKEN=…` that say how the server is reached; without it the systemd
    credential `driftd-mlflow`. The environment's variables count where the file has none."""
    name: str = MODEL
    """What a model is called there, with `{model}` for its name here."""
    experiment: str = "driftd {model}"
    """The experiment that has the runs of its versions."""
    check_every: Duration = 3600.0
    """So often what the server has is compared with the ledger where nothing changed here."""
    timeout: Duration = 600.0
    """So long the comparison of one model may take, with what has to be sent."""

    @field_validator("tracking_uri")
    @classmethod
    def _server(cls, value: str) -> str:
        if (why := why_no_server(value, EXPECTED_MLFLOW)) is not None:
            raise ValueError(why)
        return value

    @field_validator("name", "experiment")
    @classmethod
    def _of_each(cls, value: str) -> str:
        if MODEL not in value or not NAMED.fullmatch(value) or set("{}") & set(value.replace(MODEL, "")):
            raise ValueError("expected letters, digits, blanks, _, . and -, with {model} among them")
        return value

    def registered(self, model: str) -> str:
        """What a model is called there."""
        return self.name.replace(MODEL, model)

    def experiment_of(self, model: str) -> str:
        """The experiment of its versions."""
        return self.experiment.replace(MODEL, model)


class OpenLineageSettings(Frozen):
    """The collector of OpenLineage events. A reload applies all of it."""

    url: str
    """Where run events are posted, such as `http://HOST:5000/api/v1/lineage` of Marquez. See [events of
    lineage](registry.md#openlineage)."""
    key_file: str | None = None
    """A file with an API key that is sent as a bearer token; without it the systemd credential
    `driftd-openlineage-key`, and without that none is sent."""
    namespace: str = "driftd"
    """The namespace of jobs and of versions."""
    give_up: Duration = 3 * 86400.0
    """So long an event is tried to be sent; of cycles that ended before nothing is told."""

    @property
    def name(self) -> str:
        """What the outbox calls it."""
        return OPENLINEAGE

    @field_validator("url")
    @classmethod
    def _collector(cls, value: str) -> str:
        if (why := why_no_server(value, "expected https://HOST/PATH")) is not None:
            raise ValueError(why)
        return value

    @field_validator("namespace")
    @classmethod
    def _namespace(cls, value: str) -> str:
        if not value:
            raise ValueError("expected a name such as driftd")
        return value


def why_no_server(url: str, expected: str) -> str | None:
    """What is wrong with the URL of a server, in words that do not tell it; None where nothing is.

    >>> why_no_server("http://u:p@mlflow:5000", EXPECTED_MLFLOW)
    'a user or password is in it; expected these in a file, or in the systemd credential'
    >>> why_no_server("sqlite:///mlflow.db", EXPECTED_MLFLOW)
    'no URL of a server; expected http://HOST:PORT or https://HOST/PATH'
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"it cannot be read; {expected}"
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or any(c.isspace() for c in url):
        return f"no URL of a server; {expected}"
    if parts.username is not None:
        return "a user or password is in it; expected these in a file, or in the systemd credential"
    return None
