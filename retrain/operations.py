"""What a worker is asked to do in a model's lifecycle, and what it answers: typed values that travel as JSON.

Importing them costs nothing: who asks needs neither NumPy nor the function that answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from retrain.records.deployment import Deployment
from retrain.records.groups import GroupWatch
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

T = TypeVar("T")
R = TypeVar("R", covariant=True)
Json = dict[str, Any]
"""A part that is stored as it is, plain JSON values."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation gives, and the CPU seconds that it took of its worker."""

    cpu_s: float = 0.0


class Done(Result, frozen=True, kw_only=True):
    """That it was done is all."""


class Request(msgspec.Struct, Generic[R], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of an operation that gives an R."""


def to_json(value: msgspec.Struct, path: Callable[[Path], str] = str) -> Json:
    """As plain JSON values; paths as text, also those that are no valid UTF-8: by `path`."""
    plain: Json = msgspec.to_builtins(value, enc_hook=lambda one: path(one) if isinstance(one, Path) else _plain(one))
    return plain


def from_json(value: Any, kind: type[T], path: Callable[[str], Path] = Path) -> T:
    """The inverse of `to_json`; ValueError names what does not fit. A request may have no other keys; of results they
    are passed over, for what is stored in the ledger may be another driftd's."""

    def typed(kind: type[Any], value: Any) -> Any:
        return path(value) if kind is Path else _typed(kind, value)

    return msgspec.convert(value, kind, dec_hook=typed, str_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, ModelSettings):
        return value.model_dump(mode="json")
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value)  # NumPy's, which json takes for one as well
    raise TypeError(f"{type(value).__name__} is no part of a message")


def _typed(kind: type[Any], value: Any) -> Any:
    return ModelSettings.model_validate(value) if kind is ModelSettings else kind(value)


# --- what operations work on ----------------------------------------------------------------------------------------


class AcceptedFile(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted file of rows or of late labels; `seq` is its place in the order of arrival. Labels of `withheld`
    classes do not count. `first_time` and `last_time` are the event times of its rows, where these have any; `trust`
    says whether its labels may be believed as far as they are in (see `retrain.labels.trust`), where no maturity is
    configured. `own_labels`: how many rows came with one. `number` counts the files of rows alone, from 1 (0: as `seq`
    does): what is drawn at random is drawn by it, whatever files of labels came between."""

    seq: int
    snapshot: Path
    digest: str
    rows: int
    kind: str = "rows"
    source: str = "folder"
    accepted_at: float = 0.0
    withheld: tuple[str, ...] = ()
    first_time: float | None = None
    last_time: float | None = None
    trust: str = "complete"
    number: int = 0
    own_labels: int = 0

    @property
    def place(self) -> int:
        """Its number among the files of rows."""
        return self.number or self.seq


class StoredDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment where it lies: the `folder` of the model's versions, the weights by version, and `newest`, the
    version that the last promotion brought, which need not answer."""

    folder: Path
    weights: dict[str, float]
    newest: str
    recalibration: Json | None = None
    number: int = 0

    @classmethod
    def of(cls, deployment: Deployment, newest: str, folder: Path) -> "StoredDeployment":
        """The deployment as workers find it."""
        return cls(
            folder=folder, weights=deployment.weights, newest=newest, recalibration=deployment.calibration,
            number=deployment.number,
        )  # fmt: skip

    @property
    def heaviest(self) -> str:
        """The version that answers most."""
        return max(self.weights, key=lambda name: self.weights[name])

    def path(self, name: str) -> Path:
        """The folder of a version."""
        return self.folder / name


class JudgedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of rows, and where what was predicted for them lies."""

    name: str
    snapshot: Path
    predictions: Path | None = None


class AnsweredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of rows that a deployment answered when it came: `check` is the id of its check, `deployment` the number
    that the deployment began with, `version` its newest one. What was answered lies in `answers`, of live traffic in
    `logs` under the `names` that the deployment had; none where that is gone. `performance` is the score that is
    known."""

    seq: int
    check: int
    deployment: int
    version: str
    names: tuple[str, ...] = ()
    answers: Path | None = None
    logs: tuple[Path, ...] = ()
    performance: Json | None = None


# --- monitoring -----------------------------------------------------------------------------------------------------


class CheckResult(Result, frozen=True, kw_only=True):
    """`report` is the DriftReport; `performance` on the rows that have labels, `estimated` on those that have none;
    where they were to be judged, `stream` is what the detector saw in the errors, and `stream_state` its state then."""

    report: Json
    performance: Json | None = None
    estimated: Json | None = None
    stream: Json | None = None
    stream_state: Json | None = None
    predictions: Path | None = None
    seconds: float = 0.0


class CheckRequest(Request[CheckResult], frozen=True, kw_only=True):
    """Judge the rows of all snapshots together against what is served. `predict`: whether it is to predict them, which
    drift of outputs and performance need; `work` is where the predictions of a single snapshot are written. Labels of
    `withheld` classes do not count; `columns` are the only ones to compare, whatever their values. `files` are those
    that the newest version was made of, needed where what is served is adjusted. `judge` asks what
    the labels that the rows have come to, after the `earlier` performances of this champion, oldest first, and where
    the detector of its errors is in `stream`."""

    snapshots: tuple[Path, ...]
    deployment: StoredDeployment
    settings: ModelSettings
    work: Path
    kind: str = "file"
    predict: bool = True
    withheld: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    files: tuple[AcceptedFile, ...] = ()
    judge: bool = False
    earlier: tuple[Json, ...] = ()
    stream: Json | None = None


class Foretold(msgspec.Struct, frozen=True, kw_only=True):
    """A cycle whose gate foretold the difference of its challenger, published or `staged` in a folder, and the
    `champion`; `after` is the newest file then, `forecast` what was recorded."""

    cycle: int
    challenger: Path
    staged: bool
    champion: StoredDeployment
    after: int
    forecast: Json


class AssessResult(Result, frozen=True, kw_only=True):
    """`assessments` are new or other than before; `skipped` are files (by seq) that can tell nothing; `keys` say, by
    the seq of each assessment that holds now, of which labels it was made (None: those that are there hold);
    `proposal` is what to serve from now on, `labels` how far labels are in, as `retrain.records.label_state`. `scored`
    says which checks have another performance than was known, `stream` is the state of the detector of errors then, as
    `retrain.monitoring.scoring`. `realised` says of a `cycle` what its forecast came to, as
    `retrain.monitoring.realised`; `groups` what groups of rows come to, None where none are watched."""

    assessments: list[Json]
    skipped: list[int]
    proposal: Json
    keys: dict[int, str] | None = None
    labels: Json | None = None
    scored: list[Json] = []
    stream: Json | None = None
    realised: list[Json] = []
    groups: GroupWatch | None = None
    seconds: float = 0.0


class AssessRequest(Request[AssessResult], frozen=True, kw_only=True):
    """Assess the files whose labels may be believed, as far as these are other than in the assessments that are `known`
    (by seq, of files after `after`: the newest file whose evidence is spent). `candidates` are seqs of files that were
    not assessed, ascending: of a log of events these alone are. `predecessor` was served before the last promotion,
    `challenger` is the version on trial; `archive` names the versions that may be blended, `before` is the proposal
    that held when the evidence begins, `base` the planner's Regret then; `fixed` says that what is served is not
    adjusted. `twin` is the window that the planner watches; `now` is the clock (Unix seconds). `answered` are files
    whose answers are to be scored, ascending, `era` the number that what is served began with, `stream` the state of
    the detector of its errors. `foretold` are cycles whose forecast waits for its files; `groups` is what is known of
    groups of answered files, as it is kept (`retrain.records.groups: read_file_groups`)."""

    files: tuple[AcceptedFile, ...]
    schema: Schema
    settings: ModelSettings
    candidates: list[int]
    deployment: StoredDeployment
    archive: list[str]
    predecessor: StoredDeployment | None = None
    challenger: str | None = None
    before: Json | None = None
    twin: str = "all"
    known: dict[int, Json] = {}
    after: int = 0
    base: Json | None = None
    fixed: bool = False
    now: float | None = None
    answered: tuple[AnsweredFile, ...] = ()
    era: int = 0
    stream: Json | None = None
    foretold: tuple[Foretold, ...] = ()
    groups: tuple[str, ...] = ()


class LabelsResult(Result, frozen=True, kw_only=True):
    """How far labels are in, as `retrain.records.label_state`; `seconds` of CPU."""

    labels: Json
    seconds: float = 0.0


class LabelsRequest(Request[LabelsResult], frozen=True, kw_only=True):
    """How far are the labels in, and how far may they be believed, where nothing is served yet? `now` is the clock
    (Unix seconds)."""

    files: tuple[AcceptedFile, ...]
    schema: Schema
    settings: ModelSettings
    now: float | None = None


class SuspectResult(Result, frozen=True, kw_only=True):
    """What speaks against the file: [{"kind", "reason", "numbers"}]."""

    doubts: list[Json]
    seconds: float = 0.0


class SuspectRequest(Request[SuspectResult], frozen=True, kw_only=True):
    """Judge a new file beside `recent` accepted ones, oldest first; doubts of `ignore_kinds` do not count for it."""

    file: JudgedFile
    recent: tuple[JudgedFile, ...]
    schema: Schema
    settings: ModelSettings
    ignore_kinds: tuple[str, ...] = ()


class ContradictResult(Result, frozen=True, kw_only=True):
    """What speaks against a file of labels, as of `SuspectResult`; how many labels of its ids were given before
    (`retold`), and to how many of these it gives another value (`changed`). Where something speaks against it, the
    class that it `leaves`, by which files agree, and the `places` of such labels in the file, from 0."""

    doubts: list[Json]
    retold: int = 0
    changed: int = 0
    leaves: str | None = None
    places: list[int] = []
    seconds: float = 0.0


class ContradictRequest(Request[ContradictResult], frozen=True, kw_only=True):
    """Compare a new file of `labels` with those that the rows of accepted files, and ids without rows, have; `now` is
    when it came (Unix seconds)."""

    labels: Path
    files: tuple[AcceptedFile, ...]
    schema: Schema
    settings: ModelSettings
    now: float


class ProveRequest(Request[Done], frozen=True, kw_only=True):
    """Load a stored version and let it answer its probe rows, exactly as the server will."""

    path: Path
    trusted_types: tuple[str, ...] = ()


class MetricRequest(Request[Done], frozen=True, kw_only=True):
    """Can a metric be used: `name` as in the configuration, the path of a user's absolute?"""

    name: str
    task: str


# --- the stages of a cycle ------------------------------------------------------------------------------------------


class PreparedRows(Result, frozen=True, kw_only=True):
    """What rows a cycle works with: `known_rows` all labelled ones, `snapshots` the digests of the files that were
    trained on; `seen` says of those of which not all rows were known which ones were (see `retrain.rows.seen`);
    `window` and `held_out` say in words which rows train and which do not. training.json keeps it. Of a log of events:
    the unit of its half-lives, since when events are held out, and whether the newest file is of posted ones. `large`
    says of a window that is larger than memory what was drawn of it (`retrain.rows.sampling: drawn_of`)."""

    train_rows: int = 0
    holdout_rows: int = 0
    known_rows: int = 0
    snapshots: list[str] = []
    holdout_snapshots: list[str] = []
    reserved_snapshots: list[str] = []
    seen: dict[str, str] = {}
    cut: float | None = None
    cut_time: float | None = None
    window: str | None = None
    held_out: str = ""
    notes: list[str] = []
    unit_ms: float | None = None
    held_since_ms: int | None = None
    posted: bool = False
    large: Json | None = None


class PrepareResult(PreparedRows, frozen=True, kw_only=True):
    """And the files of rows to train on and to judge by; `whole` has all rows of a window that is larger than memory,
    of which `train` is a sample."""

    train: Path
    holdout: Path
    whole: Path | None = None


class PrepareRequest(Request[PrepareResult], frozen=True, kw_only=True):
    """Collect the files' rows. `rows_before` counts labelled rows that are known and of which no file is listed, for no
    window reaches back to them; `window` is the planner's choice, used where the configured one is "auto"; `now` is the
    clock at which labels must be settled (Unix seconds)."""

    files: tuple[AcceptedFile, ...]
    schema: Schema
    settings: ModelSettings
    work: Path
    champion: StoredDeployment | None = None
    rows_before: int = 0
    window: Json | None = None
    now: float | None = None


class RecordResult(Result, frozen=True, kw_only=True):
    """The reference of a model that is served elsewhere: of `rows`, of which `known_rows` have a label; what was
    predicted of these came to `challenger`, beside the naive `baseline`, by the `metric`."""

    rows: int
    known_rows: int
    metric: str
    challenger: Json | None
    baseline: Json | None
    reason: str
    notes: list[str] = []


class RecordRequest(Request[RecordResult], frozen=True, kw_only=True):
    """Make the reference of the rows of these files, and stage it in `work` as a version; `served_version` is the one
    whose rows count, where files say which one predicted. `now` is the clock at which labels must be settled (Unix
    seconds)."""

    model: str
    number: int
    files: tuple[AcceptedFile, ...]
    schema: Schema
    settings: ModelSettings
    work: Path
    config_dir: Path
    served_version: str | None = None
    now: float | None = None


class TrainResult(Result, frozen=True, kw_only=True):
    """What was trained, how, and in how many seconds."""

    train_rows: int
    seconds: float
    estimator: str
    params: Json
    search: list[Json]
    weighted: bool
    metric: Json
    notes: list[str]


class TrainRequest(Request[TrainResult], frozen=True, kw_only=True):
    """Train on the prepared rows, oldest first, and stage the result in `work`; `number` is the version's, paths in the
    settings are relative to `config_dir`. In place of training the pipeline in the folder `adopt` is staged."""

    model: str
    number: int
    schema: Schema
    settings: ModelSettings
    config_dir: Path
    work: Path
    prepared: PrepareResult
    champion: StoredDeployment | None = None
    adopt: Path | None = None


class EvaluateResult(Result, frozen=True, kw_only=True):
    """The gate's `verdict`, "promote" or "keep", with its numbers; the version's metrics.json. `forecast` says what is
    expected of the difference over the next files, as `retrain.planning.forecast`; `decision` is the configured one as
    what is served gets it; `lists` says of a recommendation what its lists are like."""

    verdict: str
    reason: str
    metric: str
    greater_is_better: bool
    rows: int
    challenger: Json
    champion: Json | None
    baseline: Json
    difference: float | None
    difference_se: float | None
    slices: list[Json]
    handicap: float | None
    notes: list[str]
    error_span: float | None
    runtime: Json
    importance: dict[str, float]
    decision: Json | None = None
    lists: Json | None = None
    forecast: Json | None = None


class EvaluateRequest(Request[EvaluateResult], frozen=True, kw_only=True):
    """Judge the version that is staged in `work`, trained in `train_seconds`, beside the champion; `twin` is the window
    that the planner watches. `trigger` is why the cycle was opened, `past` how earlier forecasts for the model failed
    (see `retrain.planning.forecast.surprise`), `earlier` what the newest of these came to, `tries` how many first
    models were kept from being served."""

    files: tuple[AcceptedFile, ...]
    settings: ModelSettings
    work: Path
    prepared: PrepareResult
    champion: StoredDeployment | None = None
    twin: str = "all"
    train_seconds: float = 0.0
    now: float | None = None
    trigger: str = "manual"
    past: list[float] = []
    earlier: list[Json] = []
    tries: int = 0


class PromoteResult(Result, frozen=True, kw_only=True):
    """The published version."""

    version: str
    digest: str
    path: Path


class PromoteRequest(Request[PromoteResult], frozen=True, kw_only=True):
    """Publish the version that is staged in `work` into `versions`, the folder of the model's."""

    model: str
    cycle: int
    number: int
    settings: ModelSettings
    work: Path
    versions: Path


StageRequest = PrepareRequest | RecordRequest | TrainRequest | EvaluateRequest | PromoteRequest
