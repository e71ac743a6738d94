"""Generated streams of files whose labels arrive by a schedule, as the judge of trust sees them at each moment."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from retrain.labels.trust import FileLabels, Trust, judge

NEVER = 10**6
NAMES = ("no", "yes")


@dataclass
class Stream:
    """`files` files of `rows` rows, the first `history` of them labelled at once. `schedule` gives the lags in files
    (n,) from labels (n,) and probabilities (n,). The model's probability of "yes" is right up to `drift`; from
    that file on the relation is reversed; `skill` scales its log odds (2.5: an area of .8, 0.7: .6); with 0 they are
    noise."""

    schedule: Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]
    skill: float = 2.5
    files: int = 30
    rows: int = 300
    history: int = 4
    share: float = 0.3
    drift: int = NEVER
    seed: int = 0

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.made = [self._file(rng, number) for number in range(self.files)]

    def _file(self, rng, number):
        noise, middle = rng.normal(size=self.rows) * 0.6, np.log(self.share / (1 - self.share))
        p = expit((self.skill or 1.0) * noise + middle)
        true = p if self.skill else np.full(self.rows, self.share)
        true = true if number < self.drift else rng.permutation(1 - true)
        labels = np.where(rng.random(self.rows) < true, "yes", "no")
        lags = np.zeros(self.rows, dtype=np.int64) if number < self.history else self.schedule(rng, labels, p)
        return labels, lags, p

    def at(self, now: int) -> list[FileLabels]:
        """The files when file `now` is the newest."""
        return [self._seen(number, now) for number in range(now + 1)]

    def _seen(self, number, now):
        labels, lags, p = self.made[number]
        age = now - number
        labelled = lags <= age
        arrivals = lags[labelled]
        last = age - int(arrivals.max()) if labelled.any() else age
        return FileLabels(
            number, age, len(labels), arrivals, labels[labelled], last, p, labelled, np.stack([1 - p, p], axis=1)
        )

    def judged(self, now: int) -> Trust:
        """What is judged when file `now` is the newest."""
        return judge(self.at(now), "classification", NAMES)

    def late(self, now: int) -> str:
        """The words of the files after the history by their first letters, W for waiting; oldest first."""
        words = self.judged(now).by_seq
        return "".join(words[seq][0].upper() for seq in range(self.history, now + 1))

    def provisional(self, now: int) -> Trust:
        """The same where every row is "no" until its label comes."""
        return judge([self._provisional(file) for file in self.at(now)], "classification", NAMES)

    def _provisional(self, file: FileLabels) -> FileLabels:
        labels, lags, _ = self.made[file.seq]
        come = lags <= file.age
        classes, changed = np.where(come, labels, "no"), np.where(come & (labels == "yes") & (lags > 0), lags, -1)
        zeros, everything = np.zeros(file.rows, dtype=np.int64), np.ones(file.rows, dtype=bool)
        last = file.age - max(0, int(changed.max()))
        return replace(
            file, lags=zeros, classes=classes, labelled=everything, changed=changed, last_arrival=last
        )  # fmt: skip

    def numbers(self, now: int) -> Trust:
        """A regression with the probabilities as its target."""
        files = [
            replace(file, classes=self.made[file.seq][2][file.labelled], probabilities=None) for file in self.at(now)
        ]
        return judge(files, "regression", ())


def by_class(yes, no):
    """Lags drawn by class."""

    def schedule(rng, labels, p):
        n = len(labels)
        return np.where(labels == "yes", yes(rng, n), no(rng, n))

    return schedule


def always(lag):
    return lambda rng, n: np.full(n, lag)


def evenly(low, high):
    """Evenly from `low` to below `high` files later."""
    return lambda rng, n: rng.integers(low, high, n)


def alike(lags):
    """Whatever the class."""
    return lambda rng, labels, p: lags(rng, len(labels))


def some(share, lags):
    """A share of the rows at random, the others never."""
    return lambda rng, labels, p: np.where(rng.random(len(labels)) < share, lags(rng, len(labels)), NEVER)
