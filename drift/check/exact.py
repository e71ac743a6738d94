"""The statistics that `--exact` adds to those of every check; none of them decides."""

from drift.check.column import category_counts
from drift.profiles.categorical import CategoricalProfile
from drift.statistics.anderson_darling import anderson_darling
from drift.statistics.cramer_von_mises import cramer_von_mises
from drift.statistics.energy_distance import energy_distance
from drift.statistics.fisher import fisher
from drift.statistics.g_test import g_test
from drift.statistics.hellinger import hellinger
from drift.statistics.kullback_leibler import kullback_leibler
from drift.statistics.mann_whitney import mann_whitney
from drift.statistics.samples import sample
from drift.statistics.scores import Floats, Score


def more_numeric(reference: Floats, current: Floats) -> dict[str, Score]:
    """Of values of shapes (n,) and (m,), each sorted once.

    >>> import numpy as np
    >>> list(more_numeric(np.arange(9.0), np.arange(9.0)))
    ['cramer_von_mises', 'anderson_darling', 'mann_whitney', 'energy_distance']
    """
    before, now = sample(reference), sample(current)
    return {
        "cramer_von_mises": cramer_von_mises(before, now),
        "anderson_darling": anderson_darling(before, now),
        "mann_whitney": mann_whitney(before, now),
        "energy_distance": energy_distance(before, now),
    }


def more_categorical(reference: CategoricalProfile, current: CategoricalProfile) -> dict[str, Score]:
    """Of the counts by category; Fisher's test where there are two.

    >>> list(more_categorical(CategoricalProfile({"a": 2}, 0), CategoricalProfile({"b": 1}, 0)))
    ['g_test', 'hellinger', 'kullback_leibler', 'fisher']
    """
    counts = category_counts(reference, current)
    found = {
        "g_test": g_test(*counts),
        "hellinger": hellinger(*counts),
        "kullback_leibler": kullback_leibler(*counts),
    }
    two = sum(1 for one, other in zip(*counts, strict=True) if one + other) == 2
    return found | ({"fisher": fisher(*counts)} if two else {})
