"""What a worker is asked to read, and what it answers; see `retrain.operations`."""

from pathlib import Path

import msgspec

from daemon.reading.look import Look
from daemon.reading.marks import Marks
from retrain.operations import Json, Request, Result
from retrain.records.deployment import Deployment
from retrain.records.schema import Schema
from retrain.records.settings import ColumnKind, ModelSettings


class DigestResult(Result, frozen=True, kw_only=True):
    """SHA-256 of the bytes; `writing` is what shows that the file may not be whole, "" for nothing."""

    sha256: str
    writing: str = ""


class DigestRequest(Request[DigestResult], frozen=True, kw_only=True):
    """Hash a file; `recent`: it changed a moment ago, and is looked at for signs that it is still being written. A link
    that leads out of `root` is refused, and so is what has more than `most_bytes`."""

    path: Path
    recent: bool = False
    root: Path | None = None
    most_bytes: int | None = None


class TakeResult(Result, frozen=True, kw_only=True):
    """What a file came to: its `kind` (rows, labels or items), the `snapshot` in the work folder and its digest, the
    first thousand `rejects` and the file of them, `quarantine`; `first_time` and `last_time` are event times;
    `not_learned` tells why columns of an inferred schema are no features; `forgotten` rows were left out."""

    kind: str
    snapshot: Path
    snapshot_digest: str
    rows: int
    labelled_rows: int
    class_rows: dict[str, int]
    rejected: int
    rejects: list[Json]
    quarantine: Path | None
    schema: Schema
    inferred: bool
    not_learned: dict[str, str]
    quality: Json
    first_time: float | None
    last_time: float | None
    forgotten: int = 0


class TakeRequest(Request[TakeResult], frozen=True, kw_only=True):
    """Take `path` in by `schema` (None: infer it); files are written to `work`. `classes` are known ones of the target
    that are to be written as they are (see `retrain.records.new_classes.spelled`); `items`: it is the items file, of
    which some must be in the newest events, the snapshots `chosen`. A link that leads out of `root` is refused. The
    user's preparation, relative to `config_dir`, must take its rows. Rows of people who are `forgotten` are left
    out."""

    path: Path
    schema: Schema | None
    settings: ModelSettings
    work: Path
    classes: tuple[str, ...] = ()
    items: bool = False
    chosen: tuple[Path, ...] = ()
    root: Path | None = None
    forgotten: Marks | None = None
    config_dir: Path = Path()


class LoggedRows(Result, frozen=True, kw_only=True):
    """The rows of a scored file that the prediction log keeps, as a file of it in the work folder; see
    `ConvertResult`."""

    path: Path
    digest: str
    rows: int
    answers: int
    bytes: int
    first_time: float
    last_time: float


class ScoreResult(Result, frozen=True, kw_only=True):
    """What a scored file came to: rows with an answer, `rejected` ones without and the `first` of these, the names of
    the `answers`' columns, the SHA-256 of what was written, and what the prediction log keeps of it."""

    rows: int
    rejected: int
    first: list[Json]
    answers: list[str]
    sha256: str
    logged: LoggedRows | None = None


class ScoreRequest(Request[ScoreResult], frozen=True, kw_only=True):
    """Score `path` by a deployment of the `versions` folder, into the file `out` in the format that `name` says; rows
    that cannot be answered go to `rejected`, and a share of the answered ones, each of the moment `now`, to the
    prediction log, unless this content `is_logged` already. `schema` is that of today's data files. A link that leads
    out of `root` is refused. Retry where the file is not, from the first row to the last, as it was `seen`."""

    path: Path
    root: Path
    seen: Look
    name: str
    out: Path
    rejected: Path
    work: Path
    deployment: Deployment
    versions: Path
    schema: Schema | None
    settings: ModelSettings
    now: float
    is_logged: bool = False
    forgotten: Marks | None = None


class JoinResult(Result, frozen=True, kw_only=True):
    """Of so many different ids of `labels`, those that were found in a row; `alike` more are written otherwise there,
    and `hint` says how. `complete`: all rows were looked through, or all ids found; numbers of samples are scaled."""

    labels: int
    joined: int
    alike: int = 0
    hint: str = ""
    complete: bool = True


class JoinRequest(Request[JoinResult], frozen=True, kw_only=True):
    """Look for the ids of a snapshot of labels, where its `target` is not empty, in those of `rows`, the newest first,
    all of this kind; in the files that hold the first `most_rows`."""

    labels: Path
    rows: tuple[Path, ...]
    id_column: str
    kind: ColumnKind
    target: str
    most_rows: int = 20_000_000


class JoinLaterResult(Result, frozen=True, kw_only=True):
    """How many ids of each file of labels are those of rows that came later."""

    found: list[int]


class JoinLaterRequest(Request[JoinLaterResult], frozen=True, kw_only=True):
    """Look for the ids of snapshots of labels, where their `target` is not empty, in one of `rows`."""

    labels: tuple[Path, ...]
    rows: Path
    id_column: str
    kind: ColumnKind
    target: str


class LabelsPart(Result, frozen=True, kw_only=True):
    """A part of a file of labels, in the work folder."""

    snapshot: Path
    digest: str
    rows: int
    class_rows: dict[str, int]


class SplitResult(Result, frozen=True, kw_only=True):
    """The labels at the `places` that were asked for, and the others."""

    changes: LabelsPart
    rest: LabelsPart


class SplitRequest(Request[SplitResult], frozen=True, kw_only=True):
    """Divide a snapshot of labels of a model of that `task` by the places of some of its rows, from 0; both parts are
    written to `work`."""

    snapshot: Path
    places: list[int]
    target: str
    task: str
    work: Path


class ConvertResult(Result, frozen=True, kw_only=True):
    """A file of the prediction log; `path` is None where there is no row. `answers` are rows that were answered, not
    shadowed; `torn` are lines that a kill cut off."""

    path: Path | None
    rows: int
    torn: int
    digest: str = ""
    answers: int = 0
    bytes: int = 0
    first_time: float = 0.0
    last_time: float = 0.0


class ConvertRequest(Request[ConvertResult], frozen=True, kw_only=True):
    """Write the rows of `segments`, oldest first, as one file of the prediction log in `work`."""

    segments: tuple[Path, ...]
    schema: Schema
    work: Path
    forgotten: Marks | None = None


class TrafficResult(Result, frozen=True, kw_only=True):
    """What `take` made of the rows. The content is which answers these are, since clients may send the same rows again:
    `sha256` is of these."""

    taken: TakeResult
    sha256: str
    look: Look


class TrafficRequest(Request[TrafficResult], frozen=True, kw_only=True):
    """Take the answered rows of `logs` in as one data file without labels; `digests` are the logs' own."""

    logs: tuple[Path, ...]
    digests: tuple[str, ...]
    schema: Schema
    settings: ModelSettings
    work: Path
    forgotten: Marks | None = None


class PullResult(Result, frozen=True, kw_only=True):
    """So many new rows are in the work folder; `watermark` is the newest that was looked at, None without a row;
    `more`: there are more than were asked for."""

    rows: int
    watermark: Json | None
    more: bool


class PullRequest(Request[PullResult], frozen=True, kw_only=True):
    """Pull new rows of the source of `settings` into `work`, which is made anew; `url`, which may be a secret, is that
    of its database, relative to `folder`. Rows from a little before the watermark `after` are looked at, none up to
    `above`; those in `seen` are left out."""

    url: str
    folder: Path
    settings: ModelSettings
    work: Path
    after: Json | None = None
    above: Json | None = None
    seen: tuple[Path, ...] = ()


class Rewritten(msgspec.Struct, frozen=True, kw_only=True):
    """A file of which so many rows are `gone`: what is left is `new` in the work folder, None for nothing;
    `beside` are the rewritten predictions for a snapshot, by their old names. `answers` is of files of the prediction
    log, `gone_labelled` and `gone_classes` of snapshots, `who` the ids whose rows these were."""

    old: Path
    new: Path | None
    digest: str
    rows: int
    gone: int
    gone_labelled: int = 0
    gone_classes: dict[str, int] = {}
    answers: int = 0
    bytes: int = 0
    beside: dict[str, Path] = {}
    who: frozenset[str] = frozenset()


class ForgetResult(Result, frozen=True, kw_only=True):
    """The files that hold rows of these people; the others are as they should be, but for those that are
    damaged, `unread`."""

    files: tuple[Rewritten, ...]
    unread: tuple[Path, ...] = ()


class ForgetRequest(Request[ForgetResult], frozen=True, kw_only=True):
    """Write those of `paths`, all Parquet or the known users of a version (`.npz`), anew in `work` of which a `column`
    has one of these `values`, texts as `daemon.reading.marks.canonical` writes them; a snapshot's `predictions` lie in
    that folder, and its labels in the column `target`, counted by class or not."""

    paths: tuple[Path, ...]
    column: str
    values: tuple[str, ...]
    work: Path
    target: str = ""
    by_class: bool = True
    predictions: Path | None = None
