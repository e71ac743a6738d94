"""How far the labels of a model are in, and which may be believed: the files' labels and what is served for their rows
are brought before the tests of `retrain.labels.trust`."""

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import structs
from numpy.typing import NDArray

from retrain.labels.arrival_curves import curves_by_class, thirds
from retrain.labels.selection import selection_of
from retrain.labels.trust import FileLabels, Trust, judge
from retrain.labels.words import COMPLETE
from retrain.model.deployment import LoadedDeployment
from retrain.monitoring.assessor import version_predictions
from retrain.monitoring.cache import Memory
from retrain.operations import AcceptedFile, LabelsRequest, LabelsResult
from retrain.records.label_state import Arrival, LabelState
from retrain.records.predictions import Floats, Predictions
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.rows.columns import column_values
from retrain.rows.event_times import event_times
from retrain.rows.history import JUDGED_ROWS, History
from retrain.rows.targets import class_names

COMPLETE_SHARE = 0.99
"""Of a file's rows with a label: from here on nothing can depend on which are missing."""
JUDGED_FILES, LOOKED_BACK = 120, 1_000
"""The newest files with labels by which it is judged how labels come, and among how many files they are looked for."""
RECENT_S, FEWEST_RECENT, RECENT_FILES = 14 * 86400.0, 5, 20
"""What is recent to people: two weeks, or the newest 20 files where these are not five files."""
SLOW = 0.9
"""The share of a class's labels by which their arrival is called slow."""
FEW_ROWS = 4_000
"""Of a longer file nothing is remembered: it would take much memory."""
SHORTEST_S = 60.0
"""Quicker arrivals are told in files: a history was dropped."""


def look_at_labels(request: LabelsRequest) -> LabelsResult:
    """The operation: what is known of labels before the first model."""
    started = time.process_time()
    state = judge_labels(request.files, request.schema, None, request.settings, request.now, Memory())
    return LabelsResult(labels=state.to_json(), seconds=time.process_time() - started)


def judge_labels(
    files: Sequence[AcceptedFile],
    schema: Schema,
    served: LoadedDeployment | None,
    settings: ModelSettings,
    now: float | None,
    memory: Memory,
) -> LabelState:
    """How far labels are in at `now` (Unix seconds), and how far each file's may be believed, whatever was found
    before."""
    plain, labels = [structs.replace(file, trust=COMPLETE) for file in files], settings.labels
    raw = History(plain, schema, labels.model_copy(update={"maturity": None, "negative": None}), now)
    judged, trust = _judged_files(raw), None
    if labels.maturity is None and judged:
        given = [_file_labels(raw, seq, served, memory) for seq in judged]
        trust = judge(given, settings.task, () if served is None else served.version.classes or ())
    words = {} if trust is None else {seq: word for seq, word in trust.by_seq.items() if word != COMPLETE}
    believed = [structs.replace(file, trust=words.get(file.seq, COMPLETE)) for file in plain]
    waits = labels.maturity is not None or bool(words)
    settled = History(believed, schema, labels, now, served is None) if waits else raw
    if labels.maturity is not None and labels.negative is None:
        mature = [seq for seq in judged if 0 < settled.labels_known(seq) == raw.labels_known(seq)]
        trust = Trust(selected=selection_of([_file_labels(raw, seq, served, memory) for seq in mature]).found)
    return _state(raw, settled, judged, trust, words, now, memory)


def _judged_files(raw: History) -> list[int]:
    """The newest files with labels, as far as any label came late, or is not there."""
    if not raw.settling.waits and not any(_lacks(raw, seq) for seq in raw.seqs[-JUDGED_FILES:]):
        return []
    return [seq for seq in raw.seqs[-LOOKED_BACK:] if raw.labels_known(seq)][-JUDGED_FILES:]


def _lacks(raw: History, seq: int) -> bool:
    return 0 < raw.labels_known(seq) < COMPLETE_SHARE * min(raw.rows(seq), JUDGED_ROWS)


def _file_labels(raw: History, seq: int, served: LoadedDeployment | None, memory: Memory) -> FileLabels:
    """As they stand now: what is found of them once, as long as they stay the same, and how old the file is."""
    version = None if served is None else served.version.name
    found: FileLabels = _once("labels", raw, seq, version, memory, lambda: _young_labels(raw, seq, served, memory))
    age = raw.settling.files_between(seq)
    return replace(found, age=age, last_arrival=age + found.last_arrival)


def _once(what: str, raw: History, seq: int, also: Hashable, memory: Memory, make: Callable[[], Any]) -> Any:
    """What is made of the labels of a file, and `also` of something else; not twice of the same."""
    file, state = raw.file(seq), raw.state(seq)
    if state is None or file.rows > FEW_ROWS:
        return make()
    return memory.get((what, file.snapshot, state, also), make)


def _young_labels(raw: History, seq: int, served: LoadedDeployment | None, memory: Memory) -> FileLabels:
    """As if the file were the newest, whatever it is."""
    table, found = raw.row_labels(seq)
    lags = found.lags[found.labelled]
    answers = None if served is None or _knew(served, raw.file(seq)) else _answers(raw, seq, served, memory)
    return FileLabels(
        seq=seq,
        age=0,
        rows=table.num_rows,
        lags=lags,
        classes=_labels(found.believed.filter(pa.array(found.labelled)), raw.schema),
        last_arrival=-int(max(lags.max(initial=0), found.changed[found.labelled].max(initial=0))),
        answers=None if answers is None or answers.classes is not None else answers.values,
        labelled=found.labelled,
        probabilities=None if answers is None else answers.probabilities,
        changed=found.changed[found.labelled],
    )


def _knew(served: LoadedDeployment, file: AcceptedFile) -> bool:
    """Whether the newest version was trained on rows of a file: then its answers know which of them had a label."""
    training = served.version.training
    return file.digest in training["snapshots"] or file.digest in training["prepare"].get("reserved_snapshots", ())


def _answers(raw: History, seq: int, served: LoadedDeployment, memory: Memory) -> Predictions:
    """What the newest version says of a file's rows: its probabilities are compared with what labels come to."""
    version = served.version
    return version_predictions({version.name: version}, raw.rows_alone(seq), memory)[version.name]


def _labels(column: Any, schema: Schema) -> Any:
    """Labels (m,) of rows that have one."""
    if schema.task == "classification":
        return class_names(column).astype(np.str_)
    return np.asarray(column_values(column, "number"))


def _state(
    raw: History,
    settled: History,
    judged: Sequence[int],
    trust: Trust | None,
    words: dict[int, str],
    now: float | None,
    memory: Memory,
) -> LabelState:
    recent, recent_s = _recent(raw)
    unit, arrivals = _arrivals(raw, judged, memory)
    believed = settled.past()
    return LabelState(
        rows=sum(raw.rows(seq) for seq in raw.seqs),
        labelled=_counted(raw, raw.past()),
        settled=_counted(settled, believed),
        classes=settled.class_rows(),
        up_to=None if not believed else _time_of(raw.file(believed[-1])),
        recent_s=recent_s,
        recent_files=len(recent),
        recent_rows=sum(raw.rows(seq) for seq in recent),
        recent_labelled=_counted(raw, recent),
        unit=unit,
        arrivals=arrivals,
        by_class=trust is not None and trust.by_class,
        selected=trust is not None and trust.selected,
        one_class=None if trust is None else trust.one_class,
        trust=words,
        wait="" if trust is None else trust.wait,
        next_at=_next_at(raw, settled, now),
        by_file={seq: _counted(settled, [seq]) for seq in believed},
    )


def _counted(history: History, seqs: Sequence[int]) -> int:
    """Labels of files, of long ones by the share of the rows that were looked at."""
    return sum(round(history.labels_known(seq) * max(1.0, history.rows(seq) / JUDGED_ROWS)) for seq in seqs)


def _time_of(file: AcceptedFile) -> float:
    return file.accepted_at if file.last_time is None else file.last_time


def _recent(raw: History) -> tuple[list[int], float | None]:
    """The files of the last two weeks, and their span in seconds; else the newest 20, and None."""
    since = raw.settling.now - RECENT_S
    recent = [seq for seq in raw.seqs if _time_of(raw.file(seq)) >= since]
    if len(recent) >= FEWEST_RECENT:
        return recent, RECENT_S
    return raw.seqs[-RECENT_FILES:], None


def _arrivals(raw: History, judged: Sequence[int], memory: Memory) -> tuple[str, dict[str, Arrival]]:
    """When labels come, by class, in seconds after their row; of a label that came before the next file of rows, after
    its row's file, for a history says nothing of when its labels came. In files where rows have no times."""
    lags, ages, classes = [], [], []
    for seq in judged if raw.settling.waits else ():
        came, event, of_classes = _once(
            "lags", raw, seq, raw.settling.clocks(raw.file(seq)), memory, partial(_lags, raw, seq)
        )
        lags.append(came)
        ages.append(np.column_stack([np.full(len(event), raw.settling.files_between(seq)), raw.settling.now - event]))
        classes.append(of_classes)
    if not lags:
        return "files", {}
    lag, age, named = np.concatenate(lags), np.concatenate(ages), np.concatenate(classes)
    named = named if raw.schema.task == "classification" else thirds(named)
    slowest = float(np.max(lag[:, 1], initial=0.0))
    column, unit = (1, "seconds") if slowest >= SHORTEST_S else (0, "files")
    curves = curves_by_class(lag[:, column], age[:, column], named)
    return unit, {
        name: Arrival(curve.rows, curve.quantile(0.5), curve.quantile(SLOW)) for name, curve in curves.items()
    }


def _lags(raw: History, seq: int) -> tuple[Floats, Floats, NDArray[Any]]:
    """Of a file's labelled rows: after how many files and how many seconds each label came (m, 2), the times of the
    rows (m,), and their labels (m,)."""
    table, found = raw.row_labels(seq)
    event = event_times(table, raw.file(seq), raw.schema)[found.labelled]
    first = found.first[found.labelled]
    files, place = np.unique(first, return_inverse=True)
    came = np.array([raw.settling.clock(one) for one in files.tolist()])[place]
    since = np.where(found.lags[found.labelled] == 0, raw.settling.clock(seq), event)
    in_seconds = np.where(first < 0, 0.0, (came - since).clip(0.0))
    lags = np.column_stack([found.lags[found.labelled], in_seconds])
    return lags, event, _labels(found.believed.filter(pa.array(found.labelled)), raw.schema)


def _next_at(raw: History, settled: History, now: float | None) -> float | None:
    """When the next rows reach their maturity, where that is an age: nothing else would tell."""
    maturity = settled.settling.settings.maturity
    if maturity is None or maturity.seconds is None or now is None:
        return None
    waiting = [_first_of(raw.file(seq)) + maturity.seconds for seq in raw.seqs if not _is_whole(settled, seq)]
    clock = raw.settling.now
    due = [at for at in waiting if at > clock]
    return now + min(due) - clock if due else None


def _first_of(file: AcceptedFile) -> float:
    return file.accepted_at if file.first_time is None else file.first_time


def _is_whole(settled: History, seq: int) -> bool:
    return settled.labels_known(seq) >= min(settled.rows(seq), JUDGED_ROWS)
