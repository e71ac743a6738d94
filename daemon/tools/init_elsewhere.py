"""What a sample shows of the predictions of another system: `driftd init --prediction`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from daemon.reading.infer import Sampled
from daemon.reading.sql import identifier
from retrain.records.errors import WrongUse
from retrain.records.schema import Schema

VERSION_NAMES = ("version", "model_version", "prediction_version")
WORDS = re.compile(r"[^\W_]+")
MOST_VERSIONS, MOST_CLASSES = 20, 20
CHANGES = "if a column says which version predicted, set version_column; `driftd renew` says it without"


@dataclass(frozen=True)
class Elsewhere:
    """The columns: of what was predicted, of the probabilities by class where their names tell, of the version.
    `lacks`: of a classification whose probabilities are not recognised."""

    prediction: str
    probabilities: dict[str, str] = field(default_factory=dict)
    version: str | None = None
    lacks: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them: none is a feature."""
        return self.prediction, *self.probabilities.values(), *(() if self.version is None else (self.version,))

    @property
    def classes(self) -> str | None:
        """The value of `probability_columns`, as TOML."""
        named = ", ".join(f"{_key(name)} = {_quoted(column)}" for name, column in self.probabilities.items())
        return f"{{ {named} }}" if named else None


def recognised(sample: Sampled, schema: Schema, target: str, task: str, prediction: str) -> Elsewhere:
    """What names and values of columns tell. WrongUse where there is no column of that name, or it is the target."""
    names = [column.name for column in schema.columns]
    if prediction not in names or prediction == target:
        raise WrongUse(
            f"--prediction {prediction!r} is no column beside the target", f"the file has {', '.join(names)}"
        )
    there = [name for name in names if name not in (target, prediction)]
    version = next((one for name in VERSION_NAMES for one in there if one.lower() == name), None)
    if version is not None and sample.counts(version)[1] > MOST_VERSIONS:
        version = None
    if task != "classification":
        return Elsewhere(prediction, version=version)
    probabilities = _probabilities(sample, target, [name for name in there if name != version])
    return Elsewhere(prediction, probabilities, version, not probabilities)


def _probabilities(sample: Sampled, target: str, names: list[str]) -> dict[str, str]:
    """By class, the one column between 0 and 1 in whose name it is a word; nothing unless each class, or one of two,
    has one."""
    column = identifier(target)
    query = f"SELECT DISTINCT CAST({column} AS VARCHAR) FROM sample WHERE {column} IS NOT NULL LIMIT {MOST_CLASSES + 1}"  # noqa: S608 - quoted
    classes = sorted(str(row[0]) for row in sample.ask(query, target))
    likely = [name for name in names if sample.kinds[name] in ("number", "integer") and _is_share(sample, name)]
    found = {one: [name for name in likely if _words(one) in _words(name)] for one in classes}
    plain = {one: columns[0] for one, columns in found.items() if len(columns) == 1}
    is_enough = len(plain) == len(classes) or (len(classes) == 2 and len(plain) == 1)
    return plain if is_enough and len(set(plain.values())) == len(plain) else {}


def _is_share(sample: Sampled, name: str) -> bool:
    column = identifier(name)
    query = f"SELECT min(TRY_CAST({column} AS DOUBLE)), max(TRY_CAST({column} AS DOUBLE)) FROM sample"  # noqa: S608 - quoted
    ((least, most),) = sample.ask(query, name)
    return least is not None and least >= 0 and most <= 1


def _words(text: str) -> str:
    """
    >>> _words("yes") in _words("P(Yes)"), _words("no") in _words("known")
    (True, False)
    """
    return " ".join(["", *WORDS.findall(text.lower()), ""])


def told_of(found: Elsewhere) -> Iterator[str]:
    """What was recognised, and what is to be named by hand."""
    probabilities = ", ".join(f"{column} of {name!r}" for name, column in found.probabilities.items())
    yield (
        f"another system serves it: {found.prediction!r} is what it predicted"
        + (f", with the probabilities {probabilities}" if probabilities else "")
        + ("" if found.version is None else f", by the version in {found.version!r}")
    )
    if found.lacks:
        yield (
            "columns of probabilities are not recognised by their names: set probability_columns, for an estimate of "
            "the performance before labels come"
        )
    if found.version is None:
        yield CHANGES


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
