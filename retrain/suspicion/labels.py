"""Labels that nothing explains: the served model fails on them, and so does a model made of the file itself."""

from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from retrain.suspicion.rows import Columns, Doubt, Rows
from retrain.suspicion.skill import skill, skill_error

LEAST_ROWS = 100
LEAST_LEARNED = 0.15
SERVED_LEFT, LEARNED_LEFT = 0.85, 0.75
STANDARD_ERRORS, LEARNED_ERRORS = 4.0, 1.5
MOST_ROWS = 1500
MISSING = -1e30  # a value of its own: a column without any breaks the estimator
TINY = {"max_iter": 15, "max_leaf_nodes": 8, "min_samples_leaf": 10, "learning_rate": 0.2, "early_stopping": False}


def label_noise(file: Rows, recent: Sequence[Rows], columns: Columns) -> Doubt | None:
    """The served model's skill fell, and a tiny model that is cross-fitted within the file falls as far behind those
    of recent files: both together beyond their spread. A new concept can be learned; noise cannot."""
    usable = [one for one in recent if _telling(one)]
    if not _telling(file) or len(usable) < 2:
        return None
    served = [_served(one, columns) for one in usable]
    now, usual = _served(file, columns), float(np.mean(served))
    if now > SERVED_LEFT * max(usual, 0.0):
        return None
    rows = min(MOST_ROWS, *(int(one.labelled.sum()) for one in (*usable, file)))
    learned = [_learned(one, columns, rows) for one in usable]
    own, own_usual = _learned(file, columns, rows), float(np.mean(learned))
    if own_usual < LEAST_LEARNED or own > LEARNED_LEFT * own_usual:
        return None
    beyond = _beyond(now, served, file, columns), _beyond(own, learned, file, columns)
    if beyond[1] < LEARNED_ERRORS or max(beyond[0], 0.0) + beyond[1] < STANDARD_ERRORS:
        return None
    numbers = {"skill": now, "usual": usual, "learned": own, "learned_usual": own_usual, "beyond": sum(beyond)}
    reason = (
        f"nothing explains its labels: the served model orders {columns.target} with a skill of {now:.2f}, in recent "
        f"files {usual:.2f}, and a model made of the file itself reaches {own:.2f} instead of {own_usual:.2f}"
    )
    return Doubt(reason, numbers)


def _telling(rows: Rows) -> bool:
    return rows.scores is not None and int(rows.labelled.sum()) >= LEAST_ROWS


def _beyond(now: float, before: list[float], file: Rows, columns: Columns) -> float:
    """How many standard errors a skill is below what it was; a spread of few values is itself uncertain."""
    usual, few = float(np.mean(before)), 1 + 2 / (len(before) - 1)
    own = skill_error(file.y[file.labelled], usual, columns.classes)
    return float((usual - now) / np.hypot(own, few * np.std(before, ddof=1)))


def _served(rows: Rows, columns: Columns) -> float:
    assert rows.scores is not None
    known = rows.labelled
    return skill(rows.y[known], rows.scores[known], columns.classes)


def _learned(rows: Rows, columns: Columns, most: int) -> float:
    """The skill within the file of a tiny model that each half of the rows trains for the other. It sees a row's
    position, so that a concept that changes midway is learnable."""
    X, y = np.column_stack([rows.X, np.arange(len(rows.X))])[rows.labelled], rows.y[rows.labelled]
    chosen = np.linspace(0, len(y) - 1, most).astype(np.int64)
    X, y = np.nan_to_num(X[chosen], nan=MISSING), y[chosen]
    scores = np.zeros((len(y), max(columns.classes, 1)))
    half = np.arange(len(y)) % 2 == 0
    for fold in (half, ~half):
        if len(np.unique(y[~fold])) < 2:
            return 0.0
        if not columns.classes:
            scores[fold, 0] = HistGradientBoostingRegressor(**TINY).fit(X[~fold], y[~fold]).predict(X[fold])
            continue
        model = HistGradientBoostingClassifier(**TINY).fit(X[~fold], y[~fold])
        scores[np.ix_(fold, model.classes_.astype(np.int64))] = model.predict_proba(X[fold])
    return skill(y, scores, columns.classes)
