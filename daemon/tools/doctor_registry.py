"""Looks at the MLflow server that versions are mirrored to, by one plain request: its client takes seconds to load."""

import base64
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.ledger.sound import refuse_missing
from daemon.registry.mirror import EXTRA
from daemon.registry.wanted import mirror_standing
from daemon.runtime.ledgers import ledger_url, open_configured
from daemon.runtime.notify.attempt import words
from daemon.runtime.registries import mlflow_options
from retrain.records.errors import DriftdError

LIMIT_S = 5.0
ASK = "/api/2.0/mlflow/registered-models/search?max_results=1"


def mlflow_told(config: Config, environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Level, finding and way out of each look."""
    assert config.mlflow is not None, "asked where there is one"
    server = config.mlflow.tracking_uri
    try:
        version("mlflow-skinny")
    except PackageNotFoundError:
        yield "error", "[mlflow] needs mlflow-skinny, which is not installed", EXTRA
    why = unreached(server, mlflow_options(config, environment))
    if why:
        way_out = "is it up? Is tracking_uri its address, and may the user of credentials_file use it?"
        yield "error", f"[mlflow] {server}: {why}", way_out
    else:
        yield "ok", f"[mlflow] {server} answers", ""
    yield from _standing(config)


def unreached(server: str, options: Mapping[str, str]) -> str:
    """Why a server cannot be asked; "" where it can."""
    parts = urlsplit(server)
    try:
        with closing(_connection(parts.scheme, parts.netloc, options)) as connection:
            connection.request("GET", parts.path.rstrip("/") + ASK, headers=_headers(options))
            answer = connection.getresponse()
            body = answer.read(100_000)
    except (OSError, http.client.HTTPException) as error:
        return words(error, LIMIT_S)
    if answer.status != 200:
        return f"it answered {answer.status}"
    try:
        json.loads(body)
    except ValueError:
        return "what answers there is no MLflow"
    return ""


def _connection(scheme: str, netloc: str, options: Mapping[str, str]) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(netloc, timeout=LIMIT_S)
    trusted = ssl.create_default_context(cafile=options.get("MLFLOW_TRACKING_SERVER_CERT_PATH"))
    if options.get("MLFLOW_TRACKING_INSECURE_TLS") == "true":
        trusted.check_hostname, trusted.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(netloc, timeout=LIMIT_S, context=trusted)


def _headers(options: Mapping[str, str]) -> dict[str, str]:
    """Who asks, as MLflow's client says it."""
    user, password = options.get("MLFLOW_TRACKING_USERNAME"), options.get("MLFLOW_TRACKING_PASSWORD", "")
    if user:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    token = options.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _standing(config: Config) -> Iterator[tuple[str, str, str]]:
    """Whether what is there is as the ledger is."""
    if ledger_url(config) is None and not config.paths.ledger.exists():
        refuse_missing(config.paths.ledger)
        return
    try:
        with closing(open_configured(config)) as ledger, ledger.connect() as conn:
            found = mirror_standing(conn, config)
    except (DriftdError, OSError, SQLAlchemyError):
        return  # the look at the ledger tells
    assert found is not None, "there is a mirror"
    failing, behind = found["failing"], found["behind"]
    if behind:
        why = "" if failing is None else f": {failing['reason']}"
        what = f"[mlflow] is behind with {', '.join(behind)}{why}"
        yield "warning", what, "a running service brings it up to date by itself"
    elif failing is not None:
        yield "warning", f"[mlflow] cannot be compared with the ledger: {failing['reason']}", ""
    elif found["mirrored_at"] is not None:
        yield "ok", "[mlflow] is as the ledger is", ""
