"""How it is decided: drift, when to retrain, which files are doubted, what is promoted, and how."""

from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from retrain.records.settings.units import (
    AlarmRate,
    Budget,
    Duration,
    Frozen,
    Growth,
    Price,
    RetrainBudget,
)


class DriftSettings(Frozen):
    """How checks judge: the budget of false alarms of a whole check, the smallest effect that counts, and what
    watches the stream of errors between files."""

    false_alarms: AlarmRate = 0.01
    """How often a whole check may alarm by chance, all its tests together; [what that covers](drift.md)."""
    min_effect: float = Field(default=0.05, ge=0, le=1)
    """A smaller difference (KS distance or total variation) never counts."""
    min_rows: int = Field(default=50, ge=2)
    """Fewer rows are not tested."""
    ignore: tuple[str, ...] = ()
    """Columns that are not compared."""
    weights: Literal["equal", "importance"] = "equal"
    """How the columns share the budget: `equal`, or `importance`: half of it by the champion's permutation importance,
    half equally."""
    calendar: bool = False
    """Also compare hour and weekday (UTC) of dates, the time column's too; from the next version on."""
    multivariate: bool = False
    """Scheduled checks also test all columns together, [beside the
    verdict](drift.md#all-columns-together-in-the-daemon)."""
    detector: Literal["adwin", "page_hinkley", "none"] = "adwin"
    """Watches the errors of labelled rows from file to file: `adwin`, `page_hinkley` or `none`; [which and
    why](streaming-detectors.md#in-the-daemon)."""

    @field_validator("detector", mode="before")
    @classmethod
    def _still_there(cls, value: Any) -> Any:
        if value in ("ddm", "hddm"):
            raise ValueError(
                'that detector was removed: "adwin", the default, alarms falsely less often and keeps to'
                ' `false_alarms`; "page_hinkley" is quicker on sudden rises'
            )
        return value


class TriggerSettings(Frozen):
    """What opens a cycle, besides a schedule and a person."""

    regret: Price = 0.5
    """The price of a retrain, as a share of the model's own loss on a file: a cycle opens when a fresh model would have
    saved more, added up over the labelled files ([replay](replay.md) tells what a price would have done); `false`
    switches it off."""
    retrains: RetrainBudget = Budget(20.0, 100, None)
    """The budget of retrains that nobody ordered: per batches (`"10 per 100 batches"`: a file of 200 to 1,000 rows is
    one, a shorter one a part, a longer one up to three) or per time (`"2 per week"`, `"1 per 12h"`); the price doubles
    with each retrain ahead of its pace, and none is opened more than two ahead. `false`: none, where
    [`regret` is what a retrain costs](deciding.md#telling-the-daemon-what-a-retrain-costs). Of a recommendation
    `"15 per 100 batches"`."""
    drift_prior: float = Field(default=0.8, gt=0, le=1)
    """The price is this much of itself while the data drift: drift makes a gain more credible, it proves none; `1`
    leaves it out."""
    on_drift: bool = False
    """Drift alone opens a cycle."""
    on_performance: bool = False
    """A drop of the metric on labelled rows alone opens a cycle."""
    min_drop: float = Field(default=0.02, ge=0)
    """Smallest drop that counts, in the metric's unit."""
    max_age: Duration | None = None
    """The champion's age that opens a cycle."""
    new_rows: int | None = Field(default=None, ge=1)
    """Number of new labelled rows that opens a cycle."""
    growth: Growth = 2.0
    """So many times the labelled rows that the champion's training could choose from open a cycle, within the budget;
    `false`: never. Of a recommendation 1.7 times."""
    cooldown: Duration = 1.0
    """At least this long between two cycles, except by hand."""
    min_new_rows: int = Field(default=1, ge=1)
    """Fewer new labelled rows open no cycle, except by hand."""
    first_rows: int = Field(default=500, ge=10)
    """Labelled rows that the first model needs."""
    first_class_rows: int = Field(default=20, ge=2)
    """Labelled rows of each of two classes that the first model of a classification needs, and that any class needs
    [before it counts](data-files.md#classes)."""
    max_attempts: int = Field(default=3, ge=1, le=100)
    """Times that a stage is tried."""
    retry_after: Duration = 10.0
    """The pause before the second attempt; twice as long before the third."""


class GateSettings(Frozen):
    """When a challenger may replace the champion."""

    tolerance: float = Field(default=0.25, ge=0)
    """A challenger is not promoted that is expected to be worse than the champion over the next two files by more than
    this share of that expectation's standard deviation; [what is expected and why](gate.md)."""
    serve_anyway: bool = False
    """A first model is served even if it is not better than the naive baseline beyond chance."""
    slices: tuple[str, ...] = ()
    """Columns: a challenger that is worse for any one of their values by more than 2.5 standard errors is not promoted
    either."""
    min_slice_rows: int = Field(default=100, ge=10)
    """Smaller slices are not judged."""

    @model_validator(mode="before")
    @classmethod
    def _replaced(cls, value: Any) -> Any:
        if isinstance(value, dict) and "max_worse_se" in value:
            raise ValueError(
                "max_worse_se was replaced by tolerance, a share of the standard deviation of what is expected of the "
                "next files: leave max_worse_se out; the default, tolerance = 0.25, is right for most models"
            )
        return value


class GroupSettings(Frozen):
    """How the groups of rows that `gate.slices` names are [watched](groups.md) on what was answered to them: each
    group's metric against its own earlier files, and how far shares of answers differ between groups."""

    window: int = Field(default=8, ge=1, le=100)
    """The newest files that groups' figures and differences are told of."""
    positive: str | None = None
    """The class whose share is compared between groups. Without it `decision.positive`; else of two classes the one
    that is not `labels.negative`, or the rarer one in training; of more none."""
    max_difference: float | None = Field(default=None, gt=0, lt=1)
    """So far may selection rates, and true-positive rates, of two groups of a column differ: more, beyond doubt, is
    `disparity_exceeded`; without it differences are shown and never told."""


class ProbationSettings(Frozen):
    """How long a promotion is watched, and how sure must be that its predecessor is better before it is undone."""

    files: int = Field(default=8, ge=0)
    """So many labelled files after a promotion its predecessor is compared with it; `0`: never."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """How often a promotion that did no harm may be rolled back by chance, however many files are looked at."""


class RolloutSettings(Frozen):
    """How a challenger that passed the gate becomes the champion: at once, or after a trial in which its answers are
    recorded beside the champion's ("shadow") or returned to a share of the requests ("canary")."""

    strategy: Literal["direct", "shadow", "canary"] = "direct"
    """`direct`: at once; `shadow`: the challenger answers too, unseen; `canary`: it answers a share of the requests."""
    share: float | None = Field(default=None, gt=0, le=1)
    """The share of the requests that the challenger sees: sticky by the first row's id, else by counting; without it
    all in shadow, 0.1 as canary."""
    period: Duration = 3600.0
    """At least this long on trial."""
    min_rows: int = Field(default=100, ge=0)
    """It passes no earlier than after so many rows that the challenger answered."""
    longest: Duration = 86400.0
    """After this it is decided by what was seen, however few rows."""
    max_failures: int = Field(default=0, ge=0)
    """Requests on which the challenger may fail; one more drops it at once (the champion answers them)."""

    @model_validator(mode="after")
    def _ordered(self) -> "RolloutSettings":
        if self.longest < self.period:
            raise ValueError(f"longest is {self.longest:g} s, shorter than the period of {self.period:g} s")
        return self

    @property
    def reached(self) -> float:
        """The share of the requests that the challenger sees."""
        return self.share if self.share is not None else 0.1 if self.strategy == "canary" else 1.0


class AdaptationSettings(Frozen):
    """What follows the labels between retrains, without training: earlier versions blended in (at most `members` of the
    newest `archive` versions answer a request), and recalibration."""

    archive: int = Field(default=8, ge=1)
    """So many of the newest versions may be served again, blended by how they do on the newest labelled rows; `1`: only
    the newest."""
    members: int = Field(default=3, ge=1)
    """At most so many of them answer a request: its cost is that many models."""
    recalibration: bool = True
    """Shift what is served (class probabilities, or a line through numbers) while that helped one file ahead; and where
    the metric is balanced accuracy, decide by the classes' shares, which [newer rows without labels
    move](labels.md#while-labels-are-out)."""


SuspicionKind = Literal["duplicated_rows", "unit_bug", "label_noise", "leaked_target", "contradicting_labels"]
CONTRADICTING: SuspicionKind = "contradicting_labels"
"""The doubt that labels raise; the others are raised by rows."""


class SuspicionSettings(Frozen):
    """Which new files are held before they teach anything, and how many alike in a row are a new normal."""

    hold: bool = True
    """A new file that looks poisoned is [held](suspicious-files.md): checked, but it teaches nobody."""
    release_after: int = Field(default=3, ge=1)
    """So many files in a row with the same kind of doubt are a new normal: they are let in by themselves."""
    kinds: tuple[SuspicionKind, ...] = get_args(SuspicionKind)
    """The doubts that count."""
    ignore: tuple[str, ...] = ()
    """Columns that raise no doubt."""

    @property
    def hold_labels(self) -> bool:
        """Whether labels that contradict earlier ones are held."""
        return self.hold and CONTRADICTING in self.kinds
