"""Has an MLflow server be as the ledger is: looks before each call, so that it may be killed at any, and done again.

It runs in a process of its own: MLflow's client takes two seconds of a processor and a hundred megabytes.

A version is known by the tags `driftd.version` and `driftd.digest`: of its run, which has metrics, datasets and files,
and of the registered model's version that is made of that run. The run's tag `driftd.files` is set last: the SHA-256 of
the manifest whose files are there."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from daemon.registry.flavor import ABOUT, FILES, parameters, texts
from daemon.runtime.registries import MirrorRequest, MirrorResult, WantedVersion
from retrain.durable import crash_point, sha256
from retrain.records.errors import Refused, Retry

T = TypeVar("T")
EXTRA = "pip install 'driftd[mlflow]' into this environment"
LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "GIT_PYTHON_REFRESH": "quiet",
}  # fmt: skip
"""MLflow's own are 120 seconds and 7 retries. What the environment says of these counts."""
ORIGIN, VERSION, DIGEST, STATE, FOLDER = (
    "driftd.origin", "driftd.version", "driftd.digest", "driftd.state", "driftd.files",
)  # fmt: skip
GONE = "removed"
"""In place of a manifest's digest: its files were gone before they could be sent."""
UNKNOWN = "unknown"
"""The state of a version that the ledger does not have: it was restored from an older backup."""
SECRET = ("USERNAME", "PASSWORD", "TOKEN", "KEY", "CONNECTION")
"""Words in the names of options that are told to nobody."""
IN_MEMORY = re.compile(r" at 0x[0-9a-fA-F]+")
PAGE = 200
OURS = ("champion", "challenger")
Key = tuple[str | None, str | None]


def mirror(request: MirrorRequest) -> MirrorResult:
    """The operation. Refused where it will never succeed as things are, Retry where the server does not do it now."""
    client = connected(request)
    try:
        return MirrorResult(done=dict(_Mirror(client, request).run()))
    except FileNotFoundError as error:
        raise Retry(f"a file of a version is gone: {error.filename}") from None
    except Exception as error:
        raise _told(error, request.options) from None


def connected(request: MirrorRequest) -> Any:
    """A client of MLflow."""
    for name, value in LIMITS.items():
        os.environ.setdefault(name, value)
    os.environ.update(request.options)
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise Refused(f"the mirror needs mlflow-skinny, which is not installed ({error.name})", EXTRA) from None
    return MlflowClient(request.tracking_uri)


def _told(error: Exception, options: Mapping[str, str]) -> Exception:
    """What a person needs of an error of MLflow's, without what may be a secret."""
    if isinstance(error, Refused | Retry):
        return error
    return Retry(_words(str(error).strip() or type(error).__name__, options))


def _words(text: str, options: Mapping[str, str]) -> str:
    """The same words for the same trouble: addresses in memory, which some releases of the client tell, are others in
    each process.

    >>> why = "Max retries exceeded with url: /x (Caused by E('<urllib3.HTTPConnection object at 0x7f>: refused p4ss'))"
    >>> _words(why, {"MLFLOW_TRACKING_PASSWORD": "p4ss"})
    "the server cannot be reached: E('<urllib3.HTTPConnection object>: refused ***'))"
    """
    text = IN_MEMORY.sub("", text.splitlines()[0])
    if "Max retries exceeded" in text or "failed with exception" in text:
        text = f"the server cannot be reached: {text.rpartition('Caused by ')[2]}"
    for name, value in options.items():
        if value and any(word in name for word in SECRET):
            text = text.replace(value, "***")
    return text[:300]


class _Mirror:
    """One comparison of one model."""

    def __init__(self, client: Any, request: MirrorRequest) -> None:
        self._client, self._request, self._wanted = client, request, request.wanted
        self._name, self._done = request.registered, Counter[str]()

    def run(self) -> "Counter[str]":
        """Do what is missing; what that was."""
        tags, aliases = self._model()
        experiment = self._experiment()
        runs = {_key(one.data.tags): one for one in self._runs(experiment)}  # of several, as after a lost answer, the
        found = {_key(one.tags): one for one in self._versions()}  # oldest: they come with the newest first
        numbers: dict[str, str] = {}
        for version in self._wanted.versions:
            key: Key = version.name, version.digest
            run = self._have_run(experiment, version, runs.get(key))
            numbers[version.name] = self._have_version(version, run, found.pop(key, None))
        for key, other in found.items():
            if key != (None, None) and other.tags.get(STATE) != UNKNOWN:
                self._do("tagged", self._client.set_model_version_tag, self._name, other.version, STATE, UNKNOWN)
        for tag, value in self._wanted.tags.items():
            if tags.get(tag) != value:
                self._do("tagged", self._client.set_registered_model_tag, self._name, tag, value)
        for alias, version_name in zip(OURS, (self._wanted.champion, self._wanted.challenger), strict=True):
            self._have_alias(alias, aliases.get(alias), None if version_name is None else numbers[version_name])
        return self._done

    def _do(self, what: str, call: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """One change, counted; tests may kill the process before and after it."""
        crash_point(f"mirror.before_{what}")
        answer = call(*arguments, **named)
        crash_point(f"mirror.after_{what}")
        self._done[what] += 1
        return answer

    def _model(self) -> tuple[dict[str, str], dict[str, str]]:
        """Tags and aliases of the registered model, made if it is new; Refused where it is somebody else's."""
        mine = {ORIGIN: self._wanted.origin}
        model = _unless_missing(self._client.get_registered_model, self._name)
        if model is None:
            self._do("registered", self._client.create_registered_model, self._name, tags=mine)
            return mine, {}
        if model.tags.get(ORIGIN) != self._wanted.origin:
            raise Refused(
                f"the registered model {self._name} is not of this service",
                f"set [mlflow] name to another one; or hand it over by its tag {ORIGIN}={self._wanted.origin}",
            )
        return dict(model.tags), {alias: str(number) for alias, number in model.aliases.items()}

    def _experiment(self) -> str:
        """The id of the experiment, made or restored where it is not there."""
        name = self._request.experiment
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return str(self._do("experiment", self._client.create_experiment, name))
        if found.lifecycle_stage == "deleted":
            self._do("experiment", self._client.restore_experiment, found.experiment_id)
        return str(found.experiment_id)

    def _runs(self, experiment: str) -> list[Any]:
        """Its runs that are of this model, the newest first; also those that somebody deleted."""
        from mlflow.entities import ViewType

        chosen = f"tags.`driftd.model` = '{self._wanted.name}'"
        ask = self._client.search_runs
        return _pages(lambda token: ask([experiment], chosen, ViewType.ALL, max_results=PAGE, page_token=token))

    def _versions(self) -> list[Any]:
        """The registered model's versions, the newest first."""
        chosen = f"name = '{self._name}'"
        found = _pages(lambda token: self._client.search_model_versions(chosen, max_results=PAGE, page_token=token))
        return sorted(found, key=lambda one: -int(one.version))

    def _have_run(self, experiment: str, version: WantedVersion, run: Any) -> Any:
        """The run of a version, whole."""
        manifest = None if version.folder is None else version.folder / "manifest.json"
        files = GONE if manifest is None else sha256(manifest)
        at_ms = int(version.created_at * 1000)
        if run is None:
            make = self._client.create_run
            run = self._do("run", make, experiment, start_time=at_ms, tags=version.tags, run_name=version.name)
        elif run.info.lifecycle_stage == "deleted":
            self._do("restored", self._client.restore_run, run.info.run_id)
        kept = run.data.tags.get(FOLDER)
        is_whole = kept == files or (manifest is None and kept is not None)
        if not is_whole or (manifest is not None and self._request.look_at_files and not self._has_files(run)):
            self._fill(run, version, at_ms)
            self._do("tagged", self._client.set_tag, run.info.run_id, FOLDER, files)
        self._have_tags(
            run.data.tags, version.tags, lambda tag, value: self._client.set_tag(run.info.run_id, tag, value)
        )
        return run

    def _fill(self, run: Any, version: WantedVersion, at_ms: int) -> None:
        """Metrics, parameters, datasets and files of a run: each may be there, and is the same then."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunStatus

        client, run_id = self._client, run.info.run_id
        metrics = [Metric(name, value, at_ms, 0) for name, value in version.metrics.items()]
        told = {} if version.folder is None else parameters(version.folder)
        params = [Param(name, value) for name, value in told.items() if name not in run.data.params]
        self._do("logged", client.log_batch, run_id, metrics=metrics, params=params)
        inputs = [
            DatasetInput(
                Dataset(one.name[:500], one.digest[:36], one.source, json.dumps({"sha256": one.digest}), None,
                    json.dumps({"num_rows": one.rows})),
                [InputTag("mlflow.data.context", "training")],
            )
            for one in version.datasets
        ]  # fmt: skip
        if inputs:
            self._do("logged", client.log_inputs, run_id, inputs)
        if version.folder is not None:
            self._send(run_id, version.folder, version)
        self._do("logged", client.update_run, run_id, RunStatus.to_string(RunStatus.FINISHED))

    def _send(self, run_id: str, folder: Path, version: WantedVersion) -> None:
        """The files that answers need, and then what says how to load them."""
        for path in sorted(folder.rglob("*")):
            within = path.relative_to(folder)
            if path.is_file() and within.parts[0] != "reference":
                place = (Path(FILES) / within).parent.as_posix()
                self._do("sent", self._client.log_artifact, run_id, str(path), f"model/{place}")
        for name, text in texts(folder, version.name, run_id, version.created_at).items():
            self._do("sent", self._client.log_text, run_id, text, f"model/{name}")

    def _has_files(self, run: Any) -> bool:
        there = self._client.list_artifacts(run.info.run_id, "model")
        return f"model/{ABOUT}" in {one.path for one in there}

    def _have_version(self, version: WantedVersion, run: Any, found: Any) -> str:
        """The number of the registered model's version."""
        card = None if version.folder is None else (version.folder / "card.md").read_text("utf-8")
        if found is not None and found.run_id != run.info.run_id:  # that run is gone, and with it its files
            self._do("withdrawn", self._client.delete_model_version, self._name, found.version)
            found = None
        if found is None:
            source = f"{run.info.artifact_uri}/model"
            make = self._client.create_model_version
            made = self._do(
                "version", make, self._name, source, run_id=run.info.run_id, tags=version.tags, description=card,
                await_creation_for=0,
            )  # fmt: skip
            return str(made.version)
        if card is not None and (found.description or "") != card:
            self._do("described", self._client.update_model_version, self._name, found.version, card)
        self._have_tags(
            found.tags, version.tags,
            lambda tag, value: self._client.set_model_version_tag(self._name, found.version, tag, value),
        )  # fmt: skip
        return str(found.version)

    def _have_tags(self, there: Mapping[str, str], wanted: Mapping[str, str], write: Callable[[str, str], Any]) -> None:
        for tag, value in wanted.items():
            if there.get(tag) != value:
                self._do("tagged", write, tag, value)

    def _have_alias(self, alias: str, there: str | None, wanted: str | None) -> None:
        if wanted is None and there is not None:
            self._do("alias", self._client.delete_registered_model_alias, self._name, alias)
        elif wanted is not None and wanted != there:
            self._do("alias", self._client.set_registered_model_alias, self._name, alias, wanted)


def _key(tags: Mapping[str, str]) -> Key:
    """By which a version is known; (None, None) of what is not ours."""
    return tags.get(VERSION), tags.get(DIGEST)


def _pages(ask: Callable[[str | None], Any]) -> list[Any]:
    found, token = [], None
    while True:
        page = ask(token)
        found += page
        if not (token := page.token):
            return found


def _unless_missing(call: Callable[..., T], *arguments: Any) -> T | None:
    """What a call gives; None where there is no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        return call(*arguments)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
