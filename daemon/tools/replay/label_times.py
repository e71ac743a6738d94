"""When each label of a replay comes: at once, some batches or days after its row, at random, class by class, or never.

A schedule says how long after its row each label comes, in batches or in seconds by the rows' own times; where labels
come class by class, positives first, as of fraud and churn, which show only by silence that nothing happened."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drift.notation import counted, percent
from retrain.records.errors import WrongUse
from retrain.records.predictions import Floats, Labels
from retrain.records.settings.labels import Maturity, age_of

Kind = Literal["delay", "random", "positives-first", "positives-only", "provisional", "share", "rated", "column"]
SHARES, BY_CLASS = ("share", "rated"), ("positives-first", "positives-only", "provisional", "rated")
NEVER = np.inf
NUMBER = re.compile(r"^\d+$")


@dataclass(frozen=True)
class LabelTimes:
    """A schedule of labels. `age` is how late labels come at most, None for at once:

    "delay": all of them so late; "random": at any time until then; "positives-first": the positive class at any
    time until then, the others just then; "positives-only": these never; "provisional": every label is at once another
    class's, and the positive ones are corrected at any time until then; "column": at the time in `column`. Of the
    others a `share` of the rows has labels, at once: "share" at random, "rated" those that the served model
    rates best. `positive` is the class of that name, "" for the rarest of the initial batches."""

    kind: Kind = "delay"
    age: Maturity | None = None
    share: float = 1.0
    positive: str = ""
    column: str = ""
    seed: int = 0

    @property
    def late(self) -> bool:
        """Whether any label comes later than its row, or never."""
        return self.age is not None or self.kind in (*SHARES, "column")

    @property
    def delay(self) -> int:
        """How many batches late all labels come; 0 where that is not said."""
        return 0 if self.kind != "delay" or self.age is None else self.age.files or 0

    @property
    def by_time(self) -> bool:
        """Whether labels come by the rows' own times."""
        return self.kind == "column" or (self.age is not None and self.age.seconds is not None)

    @property
    def by_class(self) -> bool:
        """Whether it depends on a label's class, or on the answer, when it comes."""
        return self.kind in BY_CLASS

    def lags(self, labels: Labels, positive: str, place: int, ratings: Floats | None = None) -> Floats:
        """How long after its row each label (n,) of batch `place` comes (n,), in batches, or seconds where `by_time`:
        0 with it, inf never. `ratings` (n,) are what the served model gave the rows."""
        rng, n = np.random.default_rng([self.seed, place]), len(labels)
        most = 0.0 if self.age is None else float(self.age.files or self.age.seconds or 0.0)
        drawn = rng.uniform(0, most, n) if self.by_time else rng.integers(0, int(most) + 1, n).astype(float)
        if self.kind == "random":
            return drawn
        if self.kind == "share":
            return np.where(rng.random(n) < self.share, 0.0, NEVER)
        if self.kind == "rated":
            return np.where(_best(ratings, self.share, n), 0.0, NEVER)
        if self.by_class:
            return np.where(labels == positive, drawn, most if self.kind == "positives-first" else NEVER)
        return np.full(n, most)

    def __str__(self) -> str:
        """In words, for the head of a report.

        >>> str(LabelTimes("positives-first", Maturity(files=5), positive="yes")), str(LabelTimes("share", share=0.05))
        ("'yes' labels within 5 batches, the others after them", 'labels of 5% of the rows')
        """
        age = "" if self.age is None else _words(self.age)
        who = repr(self.positive) if self.positive else "the rarest class's"
        return {
            "delay": f"labels {age} late" if age else "labels at once",
            "random": f"labels at random within {age}",
            "positives-first": f"{who} labels within {age}, the others after them",
            "positives-only": f"{who} labels within {age}, the others never",
            "provisional": f"{who} labels corrected within {age}, at first of another class",
            "share": f"labels of {percent(self.share)} of the rows",
            "rated": f"labels of the {percent(self.share)} of the rows that are rated best",
            "column": f"labels at the time of {self.column!r}",
        }[self.kind]


def late(delay: str) -> LabelTimes:
    """All labels late by so many batches ("3"), or by a time ("30d"); at once for "0".

    >>> late("3").age, late("0").late
    (Maturity(seconds=None, files=3), False)
    """
    return LabelTimes() if delay.strip() in ("", "0") else LabelTimes("delay", _age(delay, "--delay"))


def arriving(text: str, positive: str = "", seed: int = 0) -> LabelTimes:
    """Of KIND:HOW, such as "random:5", "positives-first:30d" or "share:0.05". WrongUse says what was expected.

    >>> arriving("share:0.05").share
    0.05
    """
    kind, _, how = text.strip().partition(":")
    if kind in SHARES:
        return LabelTimes(kind, share=_share(how, text), positive=positive, seed=seed)  # type: ignore[arg-type]
    if kind == "delay":
        return late(how)
    if kind in ("random", *BY_CLASS):
        return LabelTimes(kind, _age(how, f"--arrival {kind}"), positive=positive, seed=seed)  # type: ignore[arg-type]
    raise WrongUse(
        f"--arrival has {text!r}; expected random:5, positives-first:5, positives-only:5 or provisional:5 (batches, or "
        "a time such as 30d), share:0.05 or rated:0.5"
    )


def positive_class(counts: Mapping[str, int], named: str) -> str:
    """The class that is named, else the rarest, of labels that were counted. WrongUse where there is no such class.

    >>> positive_class({"no": 90, "yes": 10}, "")
    'yes'
    """
    if named and named not in counts:
        known = ", ".join(map(repr, sorted(counts)[:5]))
        raise WrongUse(f"--positive-class {named!r} is no class of the first batches, which have {known}")
    if len(counts) < 2:
        raise WrongUse("labels that come class by class need two classes in the first batches")
    return named or min(sorted(counts), key=lambda name: counts[name])


def places(lags: Floats, place: int, times: Floats | None, clock: Sequence[float]) -> NDArray[np.int64]:
    """The batch (n,) after which each label of batch `place` is known, -1 for never: `lags` (n,) batches later, or
    where rows have `times` (n,), so many seconds after these, once the newest event (`clock` by batch, ascending) is
    as late."""
    if times is None:
        after = place + np.where(np.isfinite(lags), lags, 0).astype(np.int64)
    else:
        after = np.maximum(np.searchsorted(np.asarray(clock), times + lags, side="left"), place)
    known = np.isfinite(lags) & (after < len(clock))
    return np.where(known, after, -1)


def _best(ratings: Floats | None, share: float, n: int) -> NDArray[np.bool_]:
    """The rows that are rated best: the first ones where nothing was rated."""
    order = np.argsort(-(np.zeros(n) if ratings is None else ratings), kind="stable")
    chosen = np.zeros(n, dtype=bool)
    chosen[order[: round(share * n)]] = True
    return chosen


def _age(text: str, option: str) -> Maturity:
    try:
        return Maturity(files=int(text)) if NUMBER.match(text) and int(text) else age_of(text)
    except ValueError:
        raise WrongUse(f"{option} has {text!r}; expected batches such as 5, or a time such as 30d") from None


def _share(text: str, whole: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise WrongUse(f"--arrival has {whole!r}; expected a share of the rows such as share:0.05")
    return share


def _words(age: Maturity) -> str:
    return str(age) if age.files is None else counted(age.files, "batch")
