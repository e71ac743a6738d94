"""What is taken in and what is kept: columns, intake, prediction log, serving, retention."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from drift.columns.column_kind import ColumnKind
from retrain.records.settings.units import Duration, Frozen, Size
from retrain.records.store_uri import is_uri

DATE_PARTS = re.compile(r"%-?[aAwdbBmyYHIMSfzZjUWcxXpGuV%]")
VERSION = re.compile(r"v\d{4,}(-[0-9a-f]+)?")


class ColumnSettings(Frozen):
    """One declared column; `name = "number"` is short for `name = {type = "number"}`."""

    type: ColumnKind
    """`number`, `integer`, `boolean`, `category`, `datetime` or `text`: sentences, stored and compared by checks
    (length, emptiness, trigrams), [never learned from](drift.md#columns)."""
    min: float | None = None
    """Smallest valid value; smaller ones are counted in the file's quality report."""
    max: float | None = None
    """Largest valid value."""
    categories: tuple[str, ...] | None = None
    """The valid categories; others are counted. Of a classification's target: the classes; a row with another one [is
    set aside](data-files.md#classes)."""
    nullable: bool = True
    """`false`: a row without a value is set aside."""
    feature: bool | None = None
    """`false`: read and stored, not learned from. `true`: learned from and compared whatever its values. Without it
    learned from, but not compared where its values [name or date the rows](drift.md#columns-that-name-or-date-rows)."""
    plain: bool = False
    """`true`: its numbers and dates are written as programs do (1234.5, 2025-12-31), whatever `intake` says of local
    formats."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """A type alone."""
        if isinstance(value, str):
            return {"type": value}
        if not isinstance(value, dict | ColumnSettings):
            raise ValueError('expected a type such as "number", or { type = "number", min = 0 }')
        return value

    @model_validator(mode="after")
    def _possible(self) -> "ColumnSettings":
        bounded = self.min is not None or self.max is not None
        if bounded and self.type not in ("number", "integer"):
            raise ValueError(f"min and max are for numbers, not for {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if self.categories is not None and self.type != "category":
            raise ValueError(f'categories are for type = "category", not for {self.type}')
        if self.categories == ():
            raise ValueError("categories is empty; name at least one or leave it out")
        return self


class IntakeSettings(Frozen):
    """How the data folder is read."""

    patterns: tuple[str, ...] = (
        "*.csv", "*.csv.gz", "*.csv.zst", "*.tsv", "*.tsv.gz", "*.tsv.zst", "*.parquet", "*.json", "*.jsonl",
        "*.ndjson", "*.jsonl.gz", "*.jsonl.zst", "*.xlsx",
    )  # fmt: skip
    """Names of data files; other files in the folder are told and left alone."""
    recursive: bool = True
    """Look into sub-folders; hidden ones and links to folders are left out. A link to a file is read where it stays in
    the data folder, which may be a link itself."""
    settle: Duration = 1.0
    """A file is taken when two looks this far apart agree, and it [seems
    whole](data-files.md#files-that-are-still-written); a folder whose files pause for longer teaches a longer time."""
    watch: Literal["events", "polling"] = "events"
    """`polling` for network file systems."""
    rescan: Duration = 60.0
    """Look at the whole folder at least this often; less often as it grows, so that it costs under 0.5 %."""
    poll: Duration = 5.0
    """How often a [prefix of an object store](data-files.md#data-in-an-object-store) is listed while new objects
    come."""
    poll_quiet: Duration = 300.0
    """And how seldom at most: the longer nothing new came, the less often."""
    delimiter: str | None = None
    """Between the fields of a CSV file; without it comma, semicolon, tab or bar is found by the header."""
    encoding: Literal["utf-8", "latin-1", "cp1252", "utf-16"] | None = None
    """Of text files: `utf-8`, `latin-1`, `cp1252` (Windows) or `utf-16`. Without it each file's own bytes tell: a mark
    at its beginning, else UTF-8, else, where hardly anything beyond ASCII is UTF-8, `cp1252`."""
    decimal: Literal[".", ","] | None = None
    """The decimal mark of numbers in text. This key and the six below it are
    [local formats](data-files.md#local-formats): without columns they are found in the first file, otherwise they count
    where they are set."""
    thousands: Literal["", ".", ",", " ", "'"] | None = None
    """The mark between groups of three digits; `" "` is every kind of space. It must differ from `decimal`."""
    date_format: tuple[str, ...] | None = None
    """Of dates besides ISO 8601, such as `"%d.%m.%Y"` or `"%m/%d/%Y"`; one, or several in a list. A time of day may
    follow."""
    na_values: tuple[str, ...] | None = None
    """Words that are missing values in every column, besides the usual ones, such as `["-", "k. A."]`."""
    percent: bool | None = None
    """`true`: a number may end in `%`; it is read as written, 12.5 % as 12.5."""
    currency: tuple[str, ...] | None = None
    """Signs or codes that may stand beside a number, such as `["€"]`; they are dropped."""
    accounting: bool | None = None
    """`true`: `(123.45)` and `123.45-` are negative."""
    max_reject_share: float = Field(default=0.5, ge=0, le=1)
    """A file with a larger share of bad rows is refused whole, a CSV as soon as its first rows show it."""

    @field_validator("date_format", "currency", "na_values", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _possible(self) -> "IntakeSettings":
        if self.poll_quiet < self.poll:
            raise ValueError(f"poll_quiet is {self.poll_quiet:g} s; expected no less than poll, {self.poll:g} s")
        if self.thousands and self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        for date_format in self.date_format or ():
            if not DATE_PARTS.search(date_format) or "%" in DATE_PARTS.sub("", date_format):
                raise ValueError(f'date_format is {date_format!r}; expected one such as "%d.%m.%Y"')
        return self

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 1 or value.isalnum() or value in "\"'\r\n\0.+-"):
            raise ValueError('expected one character that stands in no field, such as ";" or "\\t"')
        return value

    @field_validator("patterns")
    @classmethod
    def _of_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or any("/" in pattern for pattern in value):
            raise ValueError('expected patterns of names, without folders, such as ["*.csv"]')
        return value


class PredictionLogSettings(Frozen):
    """Which answered rows are kept, how much disk they and the data files made of them may take, and how often what was
    kept becomes a data file."""

    share: float = Field(default=1.0, ge=0, le=1)
    """The share of the rows that is kept: by their ids, always the same ones; rows without an id are counted. `0`
    switches it off."""
    keep: Size = 10**9
    """Disk for the log and the data files made of it together; beyond it the oldest go, out of training too. A file
    counts as at least 64 KB."""
    every: Duration = 3600.0
    """What is kept becomes a data file at least this often, besides at each scheduled check, once there are
    `drift.min_rows`."""


class ScoringSettings(Frozen):
    """Files that are [scored as they are dropped](scoring.md#files-that-are-dropped): both folders, or neither. They
    are read and watched as `intake` says of data files, within the same `limits`."""

    in_dir: str | None = None
    """The folder that files to be scored are dropped into; read, never changed. Sub-folders are not looked into."""
    out_dir: str | None = None
    """The folder that results, each with a receipt, appear in; a folder of its own."""
    prefix: str | None = None
    """Put before the names of the answers' columns, where files have columns of such names."""

    @model_validator(mode="after")
    def _both(self) -> "ScoringSettings":
        if any(is_uri(given or "") for given in (self.in_dir, self.out_dir)):
            raise ValueError("in_dir and out_dir are folders; an object store is for data_dir alone")
        if (self.in_dir is None) != (self.out_dir is None):
            raise ValueError("in_dir and out_dir go together: files come in one and results appear in the other")
        return self


class ServingSettings(Frozen):
    """How requests are judged, and what computes the answers."""

    contract: Literal["lenient", "strict"] = "lenient"
    """`strict` refuses requests with values that the schema declares invalid, see
    [HTTP](http.md#post-modelsmpredict)."""
    runtime: Literal["auto", "scikit-learn"] = "auto"
    """Boosted trees are answered by treelite where it gives scikit-learn's bits, see [serving](serving.md);
    `scikit-learn` switches that off."""
    explore: float = Field(default=0.0, ge=0, le=0.5)
    """Of a classification: the share of answers whose class is drawn at random, marked `"explored": true`: where only
    some answers lead to a label, [it brings labels of the others](serving.md#answers-drawn-at-random)."""


class RetentionSettings(Frozen):
    """What is kept besides the champion, its predecessor and pinned versions, and for how long. Snapshots that a window
    or a kept version needs stay longer."""

    versions: int = Field(default=10, ge=2)
    """Versions kept besides the champion, its predecessor and pinned ones."""
    pinned: tuple[str, ...] = ()
    """Versions that are never removed, such as `["v0003"]`."""
    snapshots: Duration = 365 * 86400.0
    """Age of data files whose rows go: from training, checks and the disk. Never one that the window may train on, that
    lies in `check_window`, whose labels are younger than `labels.maturity`, that a kept version was made of, or of the
    newest hundred."""
    snapshots_size: Size | None = None
    """Bytes of snapshots of dropped files beyond which the oldest go, with the same exceptions."""
    predictions: Duration = 90 * 86400.0
    """Age of what was predicted for the rows of a file when it was checked; never less than twice
    `labels.maturity`, for that is what late labels judge."""
    quarantine: Duration = 90 * 86400.0
    """Age of rejected rows; how many there were stays."""
    reports: Duration = 90 * 86400.0
    """Age of the columns of checks that found no drift; that they ran, and their performance, stays."""
    history: Duration = 730 * 86400.0
    """Age of checks, assessments of labels, and the stages of cycles that left no stored version."""
    files: Duration | None = None
    """Age of rows of the ledger about files that are gone from the data folder, and of which nothing else is left.
    Without it they stay, some hundred bytes each, so that the same content is never taken twice; with it, content that
    comes back later is new. At least as long as `history` to have an effect on accepted files."""

    @field_validator("pinned")
    @classmethod
    def _versions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := next((name for name in value if VERSION.fullmatch(name) is None), None):
            raise ValueError(f'{wrong!r} is no name of a version; expected some such as ["v0003"]')
        return value
