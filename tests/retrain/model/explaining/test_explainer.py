"""Explanations of whole deployments: by columns as users know them, exact where that can be, sampled where not."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from learning import fast, probe, published, rows, run, stage_args, table

from retrain.model.accelerate import accelerated_version
from retrain.model.decision import Decision
from retrain.model.deployment import LoadedDeployment
from retrain.model.explaining.contributions import Background
from retrain.model.explaining.explainer import Sampled, explainer_of
from retrain.model.recalibration import Recalibration
from retrain.model.version import LoadedVersion
from retrain.records.errors import Refused
from retrain.stages.promote import promote
from retrain.stages.train import train
from retrain.store.background import background_rows
from retrain.store.versions import load_version

pytestmark = pytest.mark.xdist_group("explainer")  # versions are made once
COLUMNS = ("x", "n", "b", "c", "t")
KINDS = {
    "trees": fast(),
    "forest": fast("sklearn.ensemble.RandomForestClassifier", n_estimators=5, max_depth=4),
    "logistic": fast("sklearn.linear_model.LogisticRegression"),
}
ASKED = rows(12, seed=3)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LoadedVersion]:
    """Published versions by their estimator, loaded; each is made once."""

    @cache
    def version(kind: str = "trees", name: str = "v1") -> LoadedVersion:
        return replace(load_version(published(tmp_path_factory.mktemp(kind), estimator=KINDS[kind])), name=name)

    return version


def of_rows(folder: Path, made: list[dict], task: str = "classification", **params: object) -> LoadedVersion:
    """Trees that learned from these rows."""
    args = stage_args(folder, task, made, estimator=fast(**params))
    run(train, args)
    probe(args)
    return load_version(Path(run(promote, args)["path"]))


def deployed(*versions: LoadedVersion, weights: tuple[float, ...] = (1.0,), **more: object) -> LoadedDeployment:
    """A deployment of these."""
    by_name = {one.name: one for one in versions}
    return LoadedDeployment(by_name, dict(zip(by_name, weights, strict=True)), versions[0].name, **more)


def explained(deployment: LoadedDeployment, task: str = "classification"):
    """The contributions of ASKED, and its matrices."""
    explainer = explainer_of(deployment, lambda: background_rows(deployment.version))
    matrices = [
        one.matrix(table(ASKED if task == "classification" else rows(12, 3, task=task), task))
        for one in deployment.members
    ]
    found = explainer.explain(matrices)
    assert found.columns == COLUMNS and found.values.shape == (12, 5, found.scale.width)
    return found, matrices


def logit(p: np.ndarray) -> np.ndarray:
    """The log-odds of a probability."""
    return np.log(p / (1 - p))


def test_trees_of_two_classes_are_explained_by_log_odds(versions):
    """Base and contributions add up to the log-odds of what is answered, of the second class; in the names of the
    columns, and by the trees that treelite answers for, too."""
    one = versions()
    for loaded in (one, replace(one, estimator=_quick(one))):
        found, (X,) = explained(deployed(loaded))
        assert (found.method, found.scale.words, found.scale.outputs) == ("TreeSHAP", "log-odds of 'yes'", ("yes",))
        said = one.task.predict(one.estimator, X).probabilities[:, 1]
        assert np.abs(found.explained[:, 0] - logit(said)).max() < 1e-9 and found.errors is None


def _quick(one: LoadedVersion) -> object:
    with_proof = replace(one, evaluation={**one.evaluation, "runtime": {"identical": True}})
    return accelerated_version(with_proof, one.matrix(table(ASKED))).estimator


def test_several_classes_have_contributions_each(tmp_path):
    """The softmax of what is explained are the probabilities."""
    many = rows(400, classes=("a", "b", "c"))
    one = of_rows(tmp_path, many)
    found, (X,) = explained(deployed(one))
    raised = np.exp(found.explained)
    assert found.scale.outputs == ("a", "b", "c") and "softmax" in found.scale.words
    assert np.allclose(raised / raised.sum(axis=1, keepdims=True), one.task.predict(one.estimator, X).probabilities)


@pytest.mark.parametrize(
    ("loss", "words"), [("squared_error", "the prediction"), ("poisson", "the logarithm of the prediction")]
)
def test_numbers_are_explained_as_they_are_or_by_their_logarithm(tmp_path, loss, words):
    """What base and contributions add up to is said."""
    made = [row | {"y": abs(row["y"])} for row in rows(400, task="regression")]
    one = of_rows(tmp_path, made, "regression", loss=loss)
    found, (X,) = explained(deployed(one), "regression")
    said = one.task.predict(one.estimator, X).values
    assert found.scale.words == words and found.scale.outputs == ()
    assert np.allclose(found.explained[:, 0], said if loss == "squared_error" else np.log(said), rtol=0, atol=1e-9)


def test_a_blend_is_explained_by_its_weighted_margins(versions):
    """Trees and a logistic regression have one scale, log-odds: each counts with its weight, and the words say so."""
    trees, line = versions(), versions("logistic", "v2")
    found, matrices = explained(deployed(trees, line, weights=(3.0, 1.0)))
    margins = [
        logit(v.task.predict(v.estimator, X).probabilities[:, 1]) for v, X in zip((trees, line), matrices, strict=True)
    ]
    assert found.scale.words == "weighted margins of 2 versions: log-odds of 'yes'"
    assert found.method == "TreeSHAP and linear"
    assert np.abs(found.explained[:, 0] - (0.75 * margins[0] + 0.25 * margins[1])).max() < 1e-9
    alone = explained(deployed(trees))[0].values, explained(deployed(line))[0].values
    assert np.allclose(found.values, 0.75 * alone[0] + 0.25 * alone[1])


@pytest.mark.parametrize(
    ("recalibration", "moved"),
    [
        (Recalibration(("no", "yes"), (-0.3, 0.3)), True),
        (Recalibration(("no", "yes"), (), (-0.3, 0.3)), False),
        (Recalibration(("no", "yes"), rule=Decision((), "yes", 0.2)), False),
    ],
)
def test_what_is_explained_is_before_recalibration(versions, recalibration, moved):
    """It says so where the probabilities are moved; a decision moves none."""
    one = versions()
    found, _ = explained(deployed(one, recalibration=recalibration))
    assert found.scale.words == "log-odds of 'yes'" + (", before recalibration" if moved else "")
    assert np.array_equal(found.values, explained(deployed(one))[0].values)


def test_a_linear_model_is_explained_by_its_coefficients(versions):
    """All columns of the matrix that one column made count for it; the base is the mean of the background."""
    one = versions("logistic")
    found, (X,) = explained(deployed(one))
    background = one.preprocessor.transform_rows(background_rows(one).rows)
    assert found.method == "linear" and found.background == "20 held-out rows"
    assert np.abs(found.explained[:, 0] - one.estimator.decision_function(X)).max() < 1e-9
    assert found.base[0] == pytest.approx(one.estimator.decision_function(background).mean())
    owner = [name.split("=")[0].split(" is ")[0] for name in one.preprocessor.feature_names]
    by_hand = (X - background.mean(axis=0)) * one.estimator.coef_[0]
    for place, name in enumerate(COLUMNS):
        its = [at for at, of in enumerate(owner) if of == name]
        assert np.allclose(found.values[:, place, 0], by_hand[:, its].sum(axis=1))


def test_others_are_sampled_and_say_how_sure_that_is(versions):
    """Of a forest: they add up to its probability, are the same each time, and lie within 5 standard errors of what all
    subsets of the columns give with the same background."""
    one = versions("forest")
    found, (X,) = explained(deployed(one))
    said = one.task.predict(one.estimator, X).probabilities[:, 1]
    assert (found.method, found.scale.words) == ("sampled permutations", "the probability of 'yes'")
    assert np.abs(found.explained[:, 0] - said).max() < 1e-9 and (found.permutations, found.background) == (
        80,
        "20 held-out rows",
    )
    assert np.array_equal(found.values, explained(deployed(one))[0].values)
    expected = _by_all_subsets(one, X[:3], one.preprocessor.transform_rows(background_rows(one).rows))
    assert (np.abs(found.values[:3, :, 0] - expected) <= 5 * found.errors[:3, :, 0] + 1e-9).all()
    assert np.abs(expected).max() > 0.1 and found.errors.max() < 0.1


def test_a_sample_is_the_same_however_much_is_asked_at_once(versions, monkeypatch):
    """A permutation may be cut anywhere."""
    together = explained(deployed(versions("forest")))[0]
    monkeypatch.setattr("retrain.model.explaining.sampling.MOST_AT_ONCE", 7)
    apart = explained(deployed(versions("forest")))[0]
    assert np.allclose(together.values, apart.values, rtol=0, atol=1e-12)
    assert np.allclose(together.errors, apart.errors, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("rows_there", "used", "pairs"), [(1, 1, 50), (30, 30, 30), (120, 50, 50)])
def test_a_background_of_any_size_gives_standard_errors(versions, rows_there, used, pairs):
    """Few rows are used several times, of many some; what they are is told."""
    one = versions("forest")
    explainer = explainer_of(deployed(one), lambda: Background(rows(rows_there, seed=5), "training row"))
    found = explainer.explain([one.matrix(table(ASKED))[:2]])
    assert found.background == f"{used} training row{'s' * (used > 1)}" and found.permutations == 2 * pairs
    assert np.isfinite(found.errors).all() and found.errors.max() > 0


def _by_all_subsets(one: LoadedVersion, X: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley's values (n, columns) of the second class' probability by their definition."""
    owner = np.array([COLUMNS.index(name.split("=")[0].split(" is ")[0]) for name in one.preprocessor.feature_names])
    d = len(COLUMNS)

    def value(row: np.ndarray, subset: tuple[int, ...]) -> float:
        mixed = np.where(np.isin(owner, subset), row, background)
        return float(one.estimator.predict_proba(mixed)[:, 1].mean())

    found = np.zeros((len(X), d))
    for place, row in enumerate(X):
        values = {s: value(row, s) for size in range(d + 1) for s in combinations(range(d), size)}
        for subset, before in values.items():
            for column in set(range(d)) - set(subset):
                weight = factorial(len(subset)) * factorial(d - len(subset) - 1) / factorial(d)
                found[place, column] += weight * (values[tuple(sorted((*subset, column)))] - before)
    return found


def test_a_blend_of_trees_and_others_is_sampled_as_a_whole(versions):
    """Log-odds and probabilities are no one scale: what is answered is explained."""
    trees, forest = versions(), versions("forest", "v2")
    deployment = deployed(trees, forest, weights=(1.0, 1.0))
    found, matrices = explained(deployment)
    said = deployment.answer(
        {v.name: v.task.predict(v.estimator, X) for v, X in zip((trees, forest), matrices, strict=True)}
    )
    assert found.scale.words == "the probability of 'yes' of 2 versions together"
    assert np.abs(found.explained[:, 0] - said.probabilities[:, 1]).max() < 1e-9


def test_what_explaining_takes_is_bounded_and_told(versions, monkeypatch):
    """So many rows a request, by the leaves of trees, what a sample asks the model for, or the numbers of the answer; a
    model whose single rows take more is refused."""
    trees, forest = versions(), versions("forest")
    background = lambda: background_rows(trees)  # noqa: E731
    by_leaves = explainer_of(deployed(trees), background)
    leaves = sum(tree.get_n_leaf_nodes() for (tree,) in trees.estimator._predictors)
    assert by_leaves.costs == f"{5:,} contributions a row, 100,000 an answer" and by_leaves.most_rows == 20_000
    monkeypatch.setattr("retrain.model.explaining.explainer.MOST_LEAVES_BY_ROWS", 7 * leaves)
    by_leaves = explainer_of(deployed(trees), background)
    assert (
        by_leaves.most_rows == 7 and by_leaves.costs == f"{leaves} leaves of its trees a row, {7 * leaves:,} a request"
    )
    sampled = explainer_of(deployed(forest), background)
    assert isinstance(sampled, Sampled) and sampled.most_rows == 200_000 // (80 * 6)
    monkeypatch.setattr("retrain.model.explaining.explainer.MOST_EVALUATIONS", 200)
    with pytest.raises(Refused, match="explaining a row of it takes too much"):
        explainer_of(deployed(forest), background)
    monkeypatch.setattr("retrain.model.explaining.explainer.MOST_LEAVES", leaves - 1)
    with pytest.raises(Refused, match="leaves; those of at most"):
        explainer_of(deployed(trees), background)


@pytest.mark.parametrize("estimator", ["trees", "forest"])
def test_work_that_nobody_waits_for_ends(versions, estimator):
    """Between steps it asks whether it is to go on."""
    one = versions(estimator)
    explainer = explainer_of(deployed(one), lambda: background_rows(one))

    def step() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        explainer.explain([one.matrix(table(ASKED))], step)
