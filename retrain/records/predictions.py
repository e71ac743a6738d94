"""What a model says about rows, whatever its task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Predictions:
    """`values` (n,): class names or numbers. Classification: `classes` has k names, and `probabilities`
    (n, k) has a column each, or is None where the estimator has none. Regression: both are None."""

    values: Labels
    probabilities: Floats | None = None
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: NDArray[Any] | slice) -> "Predictions":
        """The predictions of some rows: positions, a mask of shape (n,), or a slice."""
        probabilities = None if self.probabilities is None else self.probabilities[index]
        return Predictions(self.values[index], probabilities, self.classes)

    def equals(self, other: "Predictions") -> bool:
        """Whether both are the same, bit by bit."""
        if self.classes != other.classes or (self.probabilities is None) != (other.probabilities is None):
            return False
        same = np.array_equal(self.values, other.values)
        if self.probabilities is None or other.probabilities is None:
            return same
        return same and np.array_equal(self.probabilities, other.probabilities)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; floats keep every bit."""
        return {
            "values": self.values.tolist(),
            "probabilities": None if self.probabilities is None else self.probabilities.tolist(),
            "classes": None if self.classes is None else list(self.classes),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Predictions":
        """The inverse of `to_json`."""
        classes, probabilities = value["classes"], value["probabilities"]
        values = np.array(value["values"], dtype=np.float64 if classes is None else np.str_)
        if classes is None:
            return cls(values)
        matrix = None if probabilities is None else np.array(probabilities, np.float64)
        return cls(values, matrix if matrix is None else matrix.reshape(len(values), len(classes)), tuple(classes))


def label_codes(labels: Sequence[Any] | Labels, classes: Sequence[str]) -> NDArray[np.int64]:
    """Positions of `labels` (n,) in `classes`; −1 for a label that is not among them, or missing.

    >>> label_codes(["b", "z", None], ("a", "b"))
    array([ 1, -1, -1])
    """
    code_of = {name: code for code, name in enumerate(classes)}.get
    words = labels.tolist() if isinstance(labels, np.ndarray) else labels
    return np.array([code_of(word, -1) for word in words], np.int64)
