"""What trains: rows, estimator, search, and what a training may use."""

from typing import Any, Literal

from pydantic import Field, model_validator

from retrain.records.settings.units import Duration, Frozen, Size

LIBRARIES_BYTES = 600_000_000
"""About what the libraries take of a training's address space."""
ROWS_SHARE = 16
"""Rows are held several times over while they are prepared, encoded, binned and fitted."""


class WindowSettings(Frozen):
    """Which rows train: all, those of the last duration or files, all with decaying weights, or whichever of these the
    evidence of the newest files favours ("auto")."""

    kind: Literal["auto", "all", "last", "files", "decay"] = "auto"
    """Which rows train: `all`, `last` (a duration), `files` (a number), `decay` (all, older ones weigh less), or
    `auto`: decaying weights, but the last files only, or all rows alike, where small models of the newest files show
    that this is better. `auto` counts a file of over 1,000 rows as up to three, as `triggers.retrains` does."""
    last: Duration | None = None
    """How far back the rows reach that train, for `kind = "last"`, by event time."""
    files: int | None = Field(default=None, ge=1)
    """How many of the newest files train, for `kind = "files"`."""
    half_life_files: float = Field(default=6.0, gt=0)
    """For `decay`: a row so many files back weighs half."""
    max_rows: int = Field(default=2_000_000, ge=100)
    """Only the newest so many rows train."""
    large: Literal["sample", "parts"] = "sample"
    """What trains of a [window that is larger than memory](large-windows.md), as `limits.train_data` says: a stratified
    `sample` of its rows, or all of them in `parts`, by an estimator with `partial_fit`."""
    holdout_min_rows: int = Field(default=50, ge=10)
    """A fifth of the two newest files is held out; where that is fewer rows, of more files, and fewer than this cannot
    compare anyone."""
    deduplicate: Literal["auto", "id", "rows", "none"] = "auto"
    """`id`, `rows` (equal in every column), `none`; auto: by id, else by rows where [chance does not make equal
    ones](data-files.md#rows-that-come-twice)."""

    @model_validator(mode="after")
    def _complete(self) -> "WindowSettings":
        if self.kind == "last" and self.last is None:
            raise ValueError('kind = "last" needs last, such as last = "90d"')
        if self.kind == "files" and self.files is None:
            raise ValueError('kind = "files" needs files, such as files = 12')
        return self


class SearchSettings(Frozen):
    """A seeded random search over estimator parameters: name → list of candidate values."""

    iterations: int = Field(default=10, ge=1, le=1000)
    """How many combinations are tried."""
    params: dict[str, list[Any]] = Field(default_factory=dict)
    """The candidate values of each parameter."""


class EstimatorSettings(Frozen):
    """What is trained: an import path, or `file.py:factory` of the user's; parameters; types skops may load."""

    type: str = "auto"
    """HistGradientBoosting (for more than ten classes with fewer, smaller trees and a penalty); or an import path such
    as `sklearn.linear_model.LogisticRegression`; or `file.py:factory`, relative to this file, which gets the
    parameters."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The estimator's parameters."""
    search: SearchSettings | None = None
    """`{ iterations = 10, params = { max_depth = [3, 6] } }`: a seeded random search, judged on the newest training
    rows."""
    seed: int = 0
    """Seed of everything random."""
    trusted_types: tuple[str, ...] = ()
    """Types of your own that a model file may contain; never taken from the file."""


class LimitSettings(Frozen):
    """What a training child may use, and what a data file may cost."""

    train_time: Duration = 3600.0
    """A stage that takes longer is stopped and tried again."""
    train_memory: Size = 8 * 10**9
    """Address space of the training process, about 0.6 GB of it for the libraries; one that is too small for them is
    told at the first training."""
    train_data: Size | None = None
    """Bytes of rows, as they are in memory, that a training may hold; a larger window is [prepared in
    pieces](large-windows.md). Without it a sixteenth of what `train_memory` leaves beside the libraries."""
    train_threads: int = Field(default=1, ge=1)
    """Threads of the training process."""
    max_file: Size = 50 * 10**9
    """Larger data files are refused."""
    max_plain: Size = 200 * 10**9
    """So are text files with more bytes than this once they are decompressed."""
    max_cells: int = Field(default=10_000_000_000, ge=1)
    """And files with more cells, rows times columns that are read."""
    read_time: Duration = 3600.0
    """A file that takes longer to read is refused, unless its folder does not answer. Files of other models wait for it
    only while those of another one take long, too."""

    @property
    def train_bytes(self) -> int:
        """The bytes of rows that a training may hold."""
        beside = max(0, int(self.train_memory) - LIBRARIES_BYTES)
        return beside // ROWS_SHARE if self.train_data is None else int(self.train_data)
