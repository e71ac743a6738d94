"""Explains what a deployment says: exactly where all its members are boosted trees or linear models on one scale, which
are added up with their weights; else by sampling what they say together.

What is explained is always what is said before a recalibration."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from retrain.model.blend import blend
from retrain.model.deployment import LoadedDeployment
from retrain.model.estimators import NATIVE
from retrain.model.explaining.contributions import Background, Contributions, Scale, Step, no_step
from retrain.model.explaining.linear import Linear, coefficients_of
from retrain.model.explaining.sampling import Sampling
from retrain.model.explaining.tree_paths import leaves_of
from retrain.model.explaining.tree_shap import TreeShap
from retrain.model.recalibration import Recalibration
from retrain.model.version import LoadedVersion
from retrain.records.errors import Refused
from retrain.records.predictions import Floats

BACKGROUND_ROWS = 50
"""Of those that a sampled explanation compares with: each costs two permutations of the columns. Where there are fewer,
each is used several times."""
MOST_LEAVES = 200_000
"""Of the trees that are explained; their paths take some 100 MB."""
MOST_LEAVES_BY_ROWS = 10_000_000
"""Of one request: some seconds."""
MOST_EVALUATIONS = 200_000
"""Rows that a sampled explanation asks the model for, of one request."""
MOST_NUMBERS = 100_000
"""Contributions in one answer."""
MADE_UP_ROWS = 8
BackgroundRows = Callable[[], Background]


class Explainer(ABC):
    """Of one deployment: `columns` are those that its members read, in the order of the heaviest one's schema, `costs`
    what explaining a row takes, in words, and `most_rows` how many rows one request may ask for."""

    columns: tuple[str, ...]
    scale: Scale
    costs: str
    most_rows: int
    is_exact: ClassVar[bool]

    @abstractmethod
    def explain(self, matrices: Sequence[Floats], step: Step = no_step) -> Contributions:
        """Of n rows, given for each member as its matrix; `step` is called every few milliseconds, and may raise."""


def explainer_of(deployment: LoadedDeployment, background: BackgroundRows) -> Explainer:
    """What explains a deployment; `background` is asked once where rows to compare with are needed. It keeps the
    members, not the deployment. Refused where explaining a row takes too much."""
    members = _members(deployment)
    kind = Exact if _on_one_scale(members) else Sampled
    return _made(kind, members, deployment, background)


def exact_explainer_of(deployment: LoadedDeployment, background: BackgroundRows) -> Explainer | None:
    """The same, None where it would have to sample; nothing is sampled to tell that."""
    members = _members(deployment)
    return _made(Exact, members, deployment, background) if _on_one_scale(members) else None


def _members(deployment: LoadedDeployment) -> list["_Member"]:
    return [_Member(version) for version in deployment.members]


def _on_one_scale(members: Sequence["_Member"]) -> bool:
    first = members[0].scale
    return first is not None and all(member.scale == first for member in members)


def _made(
    kind: type["Exact"] | type["Sampled"],
    members: Sequence["_Member"],
    deployment: LoadedDeployment,
    background: BackgroundRows,
) -> Explainer:
    weights = np.array(list(deployment.weights.values()))
    explainer: Explainer = kind(members, weights / weights.sum(), cache(background))
    if _moves(deployment.recalibration):
        explainer.scale = replace(explainer.scale, words=f"{explainer.scale.words}, before recalibration")
    return explainer


def _moves(recalibration: Recalibration | None) -> bool:
    """Whether it changes what is explained, not only which class is chosen."""
    return recalibration is not None and bool(recalibration.offset or recalibration.intercept or recalibration.slope)


class _Member:
    """One version, and how it is explained: `scale` is None where it can only be sampled."""

    def __init__(self, version: LoadedVersion) -> None:
        self.version = version
        self.columns = tuple(feature.name for feature in version.preprocessor.features)
        self.is_trees = isinstance(version.estimator, NATIVE) and version.preprocessor.encoding == "codes"
        self.leaves = leaves_of(version.estimator) if self.is_trees else 0
        self.linear = None if self.is_trees else _coefficients(version)
        self.scale = _trees_scale(version) if self.is_trees else _linear_scale(version) if self.linear else None

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """Which column each feature of the matrix was made of."""
        preprocessor = self.version.preprocessor
        widths = [1 if preprocessor.encoding != "onehot" else feature.width for feature in preprocessor.features]
        return np.repeat(np.arange(len(widths)), widths)

    def matrix(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """Of rows as JSON gives them."""
        return self.version.preprocessor.transform_rows(rows)

    def exact(self, background: BackgroundRows) -> "TreeShap | Linear":
        """Its contributions."""
        if self.is_trees:
            return TreeShap(self.version.estimator)
        assert self.linear is not None
        return Linear(*self.linear, self.matrix(background().rows), self.owners, len(self.columns))


class Exact(Explainer):
    """The weighted sum of what the members' own explanations say."""

    is_exact = True

    def __init__(self, members: Sequence[_Member], shares: Floats, background: BackgroundRows) -> None:
        leaves = sum(member.leaves for member in members)
        if leaves > MOST_LEAVES:
            reason = f"its trees have {leaves:,} leaves; those of at most {MOST_LEAVES:,} are explained"
            raise Refused(reason, "fewer or smaller trees (estimator.params) make a model that is explained")
        assert members[0].scale is not None
        self.scale = members[0].scale
        if len(members) > 1:
            self.scale = replace(self.scale, words=f"weighted margins of {len(members)} versions: {self.scale.words}")
        self.columns = _all_columns(members)
        self.method = " and ".join(sorted({"TreeSHAP" if one.is_trees else "linear" for one in members}))
        self.most_rows, self.costs = _bounded(
            MOST_LEAVES_BY_ROWS, leaves, "leaves of its trees", self.columns, self.scale
        )
        self._shares, self._background = shares, background().words if any(one.linear for one in members) else ""
        self._exact = [member.exact(background) for member in members]
        self._places = [_places(member, self.columns) for member in members]
        self._base = sum(share * one.base for share, one in zip(shares, self._exact, strict=True))

    def explain(self, matrices: Sequence[Floats], step: Step = no_step) -> Contributions:
        """By each member, weighted."""
        values = np.zeros((len(matrices[0]), len(self.columns), self.scale.width))
        for share, one, at, X in zip(self._shares, self._exact, self._places, matrices, strict=True):
            step()
            values[:, at] += share * (one(X, step) if isinstance(one, TreeShap) else one(X))
        return Contributions(
            self.method, self.scale, self.columns, np.asarray(self._base), values, background=self._background
        )


class Sampled(Explainer):
    """Of what the members say together: probabilities of classes, or the prediction."""

    is_exact = False

    def __init__(self, members: Sequence[_Member], shares: Floats, background: BackgroundRows) -> None:
        self.columns = _all_columns(members)
        versions, weights = [member.version for member in members], shares.tolist()
        names = _classes(versions)
        self.scale = _answer_scale(names, len(versions))
        outputs = [names.index(name) for name in self.scale.outputs]

        def function(matrices: Sequence[Floats]) -> Floats:
            said = blend([v.task.predict(v.estimator, X) for v, X in zip(versions, matrices, strict=True)], weights)
            if said.classes is None:
                return said.values[:, None]
            sure = said.values[:, None] == np.array(said.classes)
            return (sure.astype(np.float64) if said.probabilities is None else said.probabilities)[:, outputs]

        found = background()
        rows = _spread(found.rows, BACKGROUND_ROWS)
        self._background = Background(rows, found.one).words
        rows *= BACKGROUND_ROWS // len(rows)
        places = [_places(member, self.columns)[member.owners] for member in members]
        matrices = [member.matrix(rows) for member in members]
        self._sampling = Sampling(function, matrices, places, len(self.columns))
        evaluations = self._sampling.evaluations
        what = "rows that the model is asked for"
        self.most_rows, self.costs = _bounded(MOST_EVALUATIONS, evaluations, what, self.columns, self.scale, 2)
        self._base = self._sampling.base()

    def explain(self, matrices: Sequence[Floats], step: Step = no_step) -> Contributions:
        """By permutations of the columns."""
        values, errors = self._sampling(matrices, step)
        permutations = self._sampling.permutations
        return Contributions(
            "sampled permutations", self.scale, self.columns, self._base, values, errors, permutations, self._background
        )


# --- scales -------------------------------------------------------------------------------------------------------


def _trees_scale(version: LoadedVersion) -> Scale:
    """Of the sums of boosted trees."""
    estimator = version.estimator
    if version.classes is None:
        is_log = type(estimator._loss.link).__name__ == "LogLink"
        return Scale("the logarithm of the prediction" if is_log else "the prediction")
    return _margin_scale(_known(version), "log-odds", "scores, of which the softmax makes probabilities")


def _coefficients(version: LoadedVersion) -> tuple[Floats, Floats] | None:
    """Of a linear model; None for others. That they are all of it is seen on made-up rows."""
    made_up = np.random.default_rng(0).normal(size=(MADE_UP_ROWS, len(version.preprocessor.feature_names)))
    return coefficients_of(version.estimator, made_up)


def _linear_scale(version: LoadedVersion) -> Scale:
    """Of a linear model's sums."""
    if version.classes is None:
        return Scale("the prediction")
    if type(version.estimator).__name__ == "LogisticRegression":
        return _margin_scale(_known(version), "log-odds", "scores, of which the softmax makes probabilities")
    return _margin_scale(_known(version), "decision function", "decision functions")


def _margin_scale(names: tuple[str, ...], one: str, several: str) -> Scale:
    if len(names) == 2:
        return Scale(f"{one} of {names[1]!r}", names[1:])
    return Scale(several, names)


def _known(version: LoadedVersion) -> tuple[str, ...]:
    """The classes that the estimator itself knows: those of its training rows."""
    assert version.classes is not None
    return tuple(version.classes[int(code)] for code in version.estimator.classes_)


def _answer_scale(names: tuple[str, ...], versions: int) -> Scale:
    """Of what is answered."""
    of = f" of {versions} versions together" if versions > 1 else ""
    if not names:
        return Scale(f"the prediction{of}")
    if len(names) == 2:
        return Scale(f"the probability of {names[1]!r}{of}", names[1:])
    return Scale(f"probabilities{of}", names)


def _classes(versions: Sequence[LoadedVersion]) -> tuple[str, ...]:
    """Of all, as their blend orders them."""
    return tuple(dict.fromkeys(name for version in versions for name in version.classes or ()))


# --- columns and bounds -------------------------------------------------------------------------------------------


def _all_columns(members: Sequence[_Member]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for member in members for name in member.columns))


def _places(member: _Member, columns: tuple[str, ...]) -> NDArray[np.int64]:
    """Where a member's columns are among all."""
    return np.array([columns.index(name) for name in member.columns], dtype=np.int64)


def _bounded(
    budget: int, a_row: int, what: str, columns: tuple[str, ...], scale: Scale, numbers: int = 1
) -> tuple[int, str]:
    """How many rows, and why: by what explaining takes, and by the numbers of the answer. Refused where it is none."""
    by_work, told = budget // max(a_row, 1), f"{a_row:,} {what} a row, {budget:,} a request"
    numbers *= len(columns) * scale.width
    by_numbers = MOST_NUMBERS // numbers
    if by_numbers < by_work:
        by_work, told = by_numbers, f"{numbers:,} contributions a row, {MOST_NUMBERS:,} an answer"
    if not by_work:
        raise Refused(f"explaining a row of it takes too much: {told}", "a model of fewer columns is explained")
    return by_work, told


def _spread(rows: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """At most so many of them, evenly spaced."""
    at = np.unique(np.linspace(0, len(rows) - 1, most).astype(int))
    return [rows[int(place)] for place in at]
