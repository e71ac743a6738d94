"""One replay from files to its result: policy, baselines, variants and a suggestion over the same batches."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from daemon.runtime.cluster.requests import ReplayRequest
from daemon.tools.replay import baselines
from daemon.tools.replay.baselines import Bench
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.evidence import paired, recovered
from daemon.tools.replay.notes import repeated_notes, source_notes
from daemon.tools.replay.result import as_json
from daemon.tools.replay.source import Source, found_settings, read
from daemon.tools.replay.subject import Request, Subject
from daemon.tools.replay.suggest import suggest
from retrain.records.errors import Refused

if TYPE_CHECKING:
    from daemon.tools.replay.remote import Elsewhere

Progress = Callable[[str, int, int], None]
"""Called after each batch: what runs, how many batches are done, of how many."""


@dataclass
class _Replay:
    """`initial` is how many batches there were when the policy had its first model: what it is compared with has it
    then."""

    request: Request
    source: Source
    progress: Progress | None
    initial: int
    elsewhere: "Elsewhere | None" = None
    """The variants that a cluster plays."""

    def counter(self, what: str) -> Callable[[int], None] | None:
        """Progress of one run."""
        progress, initial, total = self.progress, self.initial, len(self.source.batches)
        return None if progress is None else lambda place: progress(what, place - initial, total - initial)

    def play(self, subject: Subject, what: str, source: Source | None = None) -> Engine:
        """The daemon over the batches; played."""
        request = self.request
        engine = Engine(source or self.source, subject.settings, subject.config_dir, request.initial, request.times)
        engine.play(self.counter(what))
        return engine


def replay(request: Request, work: Path, progress: Progress | None = None) -> dict[str, Any]:
    """The result as plain JSON values (see docs/replay.md). Refused where the files cannot be replayed."""
    subject = request.subject
    source = read(request, subject, _folder(work, "policy"))
    if len(source.batches) < request.initial + 2:
        reason = f"{len(source.batches)} batches are too few: {request.initial} give the first model, and two more"
        way_out = "give more files, or fewer --initial batches" if len(request.files) > 1 else "give more --batches"
        raise Refused(f"{reason} are needed", way_out)
    run = _Replay(request, source, progress, request.initial)
    if request.executor is None or not request.variants:
        return _result(run, work)
    from daemon.tools.replay.remote import Elsewhere

    run.elsewhere = Elsewhere(request.executor, _asked(request), work)
    try:
        return _result(run, work)
    finally:
        run.elsewhere.end()


def _result(run: _Replay, work: Path) -> dict[str, Any]:
    request, source, subject = run.request, run.source, run.request.subject
    played = run.play(subject, "policy")
    run.initial = played.initial
    policy, metric = as_json(played), subject.settings.metric
    version = next(iter(played.deployments.versions.values()))
    greater = version.metric.greater_is_better
    result: dict[str, Any] = {
        "rows": source.rows, "batches": len(source.batches), "initial": played.initial,
        "delay": request.times.delay, "labels": str(request.times),
        "metric": played.run.metric if metric == "auto" else metric, "greater_is_better": greater,
        "task": subject.settings.task, "target": subject.settings.target, "model": subject.model,
        "files": [file.name for file in request.files],
        "policy": policy, "baselines": {name: _baseline(run, name) for name in request.baselines},
    }  # fmt: skip
    for baseline in result["baselines"].values():
        baseline["policy_gain"] = asdict(paired(policy["scores"], baseline["scores"], greater))
    means = {name: result["baselines"].get(name, {}).get("mean") for name in ("never", "every")}
    result["recovered"] = recovered(policy["mean"], means["never"], means["every"])
    if request.variants:
        result["variants"] = {one.name: _variant(run, one, policy, means, greater, work) for one in request.variants}
    if request.suggest:
        result["suggestion"] = suggest(subject, policy, greater, request.initial, lambda s, w: as_json(run.play(s, w)))
    result["notes"] = [*subject.notes, *source_notes(source, policy, request), *repeated_notes(played.run)]
    return result


def _asked(request: Request) -> dict[str, ReplayRequest]:
    """The variants as a worker of a cluster is asked for them."""
    return {
        one.name: ReplayRequest(
            files=tuple(path.absolute() for path in request.files), settings=one.settings,
            source=found_settings(one if _has_own_source(request, one) else request.subject),
            config_dir=one.config_dir.absolute(), batches=request.batches, initial=request.initial,
            times=msgspec.to_builtins(request.times), approve_classes=request.approve_classes,
            ignore=request.subject.ignore, columns=request.subject.columns,
        )
        for one in request.variants
    }  # fmt: skip


def _has_own_source(request: Request, variant: Subject) -> bool:
    """Whether it reads the files otherwise than the policy does."""
    mine = request.subject.settings
    keys = ("columns", "time_column", "id_column", "intake")
    return any(getattr(variant.settings, key) != getattr(mine, key) for key in keys)


def _baseline(run: _Replay, name: str) -> dict[str, Any]:
    request, counter = run.request, run.counter(name)
    bench = Bench(run.source, request.subject.settings, request.subject.config_dir, run.initial)
    if name == "never":
        return baselines.never(bench, counter)
    if name == "every":
        return baselines.every(bench, counter)
    period = int(name.removeprefix("every"))
    return as_json(baselines.periodic(bench, period, request.times, counter), trigger="period")


def _variant(
    run: _Replay, subject: Subject, policy: dict[str, Any], means: dict[str, Any], greater: bool, work: Path
) -> dict[str, Any]:
    if run.elsewhere is not None:
        variant = run.elsewhere.result()[subject.name]
    else:
        source = run.source
        if _has_own_source(run.request, subject):
            source = read(run.request, subject, _folder(work, subject.name))
        variant = as_json(run.play(subject, subject.name, source))
    variant["recovered"] = recovered(variant["mean"], means["never"], means["every"])
    variant["gain_over_policy"] = asdict(paired(variant["scores"], policy["scores"], greater))
    return variant | {"notes": list(subject.notes)}


def _folder(work: Path, name: str) -> Path:
    folder = work / name.replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
