"""Looks at the MLflow server that versions are mirrored to, by one plain request, for its client takes seconds to load;
and at the collector of OpenLineage."""

import base64
import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.ledger.sound import refuse_missing
from daemon.reading.rejects import printable
from daemon.registry.lineage import lineage_standing
from daemon.registry.mirror import EXTRA
from daemon.registry.wanted import mirror_standing
from daemon.runtime.ledgers import ledger_url, open_configured
from daemon.runtime.notify.attempt import limited, words
from daemon.runtime.registries import lineage_key, mlflow_options
from drift.notation import counted
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
    try:
        status, body = _asked(server.rstrip("/") + ASK, _headers(options), options)
    except (OSError, http.client.HTTPException) as error:
        return words(error, LIMIT_S)
    if status != 200:
        return f"it answered {status}"
    try:
        json.loads(body)
    except ValueError:
        return "what answers there is no MLflow"
    return ""


def openlineage_told(config: Config, environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """The same of the collector. It is looked at, and sent nothing: what it says of a look that is not meant for it
    (that something is missing, or another method is expected) shows that it is there."""
    assert config.openlineage is not None, "asked where there is one"
    url, key = config.openlineage.url, lineage_key(config, environment)
    place = url.partition("?")[0]
    if why := _uncollected(url, key):
        yield "error", f"[openlineage] {place}: {why}", "is it up? Is url its address, and key_file its key?"
    else:
        yield "ok", f"[openlineage] {place} answers; it is asked {'without' if key is None else 'with'} a key", ""
    yield from _lineage_standing(config)


def _uncollected(url: str, key: str | None) -> str:
    try:
        status, _ = _asked(url, {} if key is None else {"Authorization": f"Bearer {key}"}, {})
    except (OSError, http.client.HTTPException) as error:
        return words(error, LIMIT_S)
    if 300 <= status < 400:
        return f"it answered {status}: it wants another URL, and redirects are not followed"
    is_there = status == 501 or (status < 500 and status not in (401, 403, 404, 407))
    return "" if is_there else f"it answered {status}"


def _asked(url: str, headers: Mapping[str, str], options: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and the begin of the body, in time whatever the other side does."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(_connection(parts.scheme, parts.netloc, options)) as connection:
        connection.connect()
        used = connection.sock  # which the connection lets go once it has the head of an answer
        with limited(lambda: used, LIMIT_S):
            connection.request("GET", target, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(100_000)


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
    if (found := _standing_of(config, mirror_standing)) is None:
        return
    failing, behind = found["failing"], found["behind"]
    if behind:
        why = "" if failing is None else f": {failing['reason']}"
        what = f"[mlflow] is behind with {', '.join(behind)}{why}"
        yield "warning", what, "a running service brings it up to date by itself"
    elif failing is not None:
        yield "warning", f"[mlflow] cannot be compared with the ledger: {failing['reason']}", ""
    elif found["mirrored_at"] is not None:
        yield "ok", "[mlflow] is as the ledger is", ""


def _lineage_standing(config: Config) -> Iterator[tuple[str, str, str]]:
    """What waits for the collector, and what was given up."""
    if (found := _standing_of(config, lineage_standing)) is None:
        return
    if found["waiting"] and found["reason"]:
        what = f"[openlineage] {counted(found['waiting'], 'event')} waiting: {printable(found['reason'])}"
        yield "warning", what, "a running service sends them by itself once the collector takes them"
    if found["given_up"]:
        yield "warning", f"[openlineage] {counted(found['given_up'], 'event')} given up", "they are in no catalogue"


def _standing_of(config: Config, ask: Callable[[Connection, Config], dict[str, Any] | None]) -> dict[str, Any] | None:
    """What a ledger that is there says of a copy."""
    if ledger_url(config) is None and not config.paths.ledger.exists():
        refuse_missing(config.paths.ledger)
        return None
    try:
        with closing(open_configured(config)) as ledger, ledger.connect() as conn:
            return ask(conn, config)
    except (DriftdError, OSError, SQLAlchemyError):
        return None  # the look at the ledger tells
