"""A run event of OpenLineage, https://openlineage.io/docs/spec: pure, plain values in, plain JSON values out. A cycle
is a run of the job that has its model's name; the files that it learned from are its inputs, the version its output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from daemon.runtime.registries import Dataset
from retrain.records.cycle import Cycle, CycleState

SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = {
    "processing_engine": "1-1-0/ProcessingEngineRunFacet", "errorMessage": "1-0-0/ErrorMessageRunFacet",
    "tags": "1-0-0/TagsRunFacet", "jobType": "2-0-3/JobTypeJobFacet",
    "version": "1-0-0/DatasetVersionDatasetFacet", "schema": "1-0-0/SchemaDatasetFacet",
    "dataQualityMetrics": "1-0-2/DataQualityMetricsInputDatasetFacet",
}  # fmt: skip
"""The facets that are told, each with its release and file below spec/facets."""
ENDS = {CycleState.PROMOTED: "COMPLETE", CycleState.KEPT: "COMPLETE", CycleState.FAILED: "FAIL"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What is told of a cycle: `finished_at` in Unix seconds, None before its end; `columns` are kinds by name; the
    version's `digest`, where it made one."""

    cycle: Cycle
    finished_at: float | None
    columns: Mapping[str, str]
    datasets: Sequence[Dataset]
    digest: str | None
    data_dir: PurePath
    release: str
    namespace: str

    @property
    def run_id(self) -> str:
        """Always the same of a cycle."""
        told = f"driftd:{self.namespace}/{self.cycle.model}/{self.cycle.id}/{self.cycle.opened_at!r}"
        return str(uuid5(NAMESPACE_URL, told))

    @property
    def ending(self) -> str | None:
        """What its last event is called; None before it."""
        return ENDS.get(self.cycle.state)


def run_event(kind: str, told: Told) -> Json:
    """The event of a kind: START, COMPLETE or FAIL."""
    cycle, is_start = told.cycle, kind == "START"
    at = cycle.opened_at if is_start or told.finished_at is None else told.finished_at
    tags = {"cycle": str(cycle.id), "trigger": str(cycle.trigger.kind), "trigger_reason": cycle.trigger.reason}
    if not is_start:
        tags |= {"outcome": str(cycle.state), "reason": cycle.reason}
    facets: Json = {
        "processing_engine": {"name": "driftd", "version": told.release},
        "tags": {"tags": [{"key": key, "value": value, "source": "driftd"} for key, value in tags.items()]},
    }  # fmt: skip
    if kind == "FAIL":
        facets["errorMessage"] = {"message": cycle.reason or "it failed", "programmingLanguage": "PYTHON"}
    job_type = {"processingType": "BATCH", "integration": "DRIFTD", "jobType": "MODEL"}
    return {
        "eventType": kind, "eventTime": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "producer": _producer(told), "schemaURL": SPEC,
        "run": {"runId": told.run_id, "facets": _facets(told, facets)},
        "job": {"namespace": told.namespace, "name": cycle.model, "facets": _facets(told, {"jobType": job_type})},
        "inputs": [] if is_start else [_input(told, one) for one in told.datasets],
        "outputs": [] if is_start else _outputs(told),
    }  # fmt: skip


def _input(told: Told, dataset: Dataset) -> Json:
    """A file by its path, as OpenLineage names local files; what came otherwise by its name within the model."""
    is_file = dataset.source == "folder"
    fields = [{"name": name, "type": kind} for name, kind in told.columns.items()]
    return {
        "namespace": "file" if is_file else told.namespace,
        "name": str(told.data_dir / dataset.name) if is_file else f"{told.cycle.model}/{dataset.name}",
        "facets": _facets(told, {"version": {"datasetVersion": dataset.digest}, "schema": {"fields": fields}}),
        "inputFacets": _facets(told, {"dataQualityMetrics": {"rowCount": dataset.rows, "columnMetrics": {}}}),
    }  # fmt: skip


def _outputs(told: Told) -> list[Json]:
    """The version, if the cycle made one that is stored."""
    if told.digest is None or told.cycle.version is None:
        return []
    version = {"datasetVersion": told.cycle.version, "digest": told.digest}
    return [{
        "namespace": told.namespace, "name": f"{told.cycle.model}/versions",
        "facets": _facets(told, {"version": version}),
    }]  # fmt: skip


def _facets(told: Told, facets: Mapping[str, Json]) -> Json:
    base = {"_producer": _producer(told)}
    return {
        name: base | {"_schemaURL": f"https://openlineage.io/spec/facets/{FACETS[name]}.json"} | facet
        for name, facet in facets.items()
    }


def _producer(told: Told) -> str:
    return f"urn:driftd:{told.release}"
