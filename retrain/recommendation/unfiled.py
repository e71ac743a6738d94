"""Events that are in no file yet, as interactions: they count what they will count as rows of a file."""

from collections.abc import Sequence

import numpy as np

from retrain.recommendation.interactions import Codes, Interactions, interactions_of
from retrain.recommendation.posted import PostedEvent
from retrain.recommendation.weights import type_weights, where_positive
from retrain.records.settings import ModelSettings


def weights_of(events: Sequence[PostedEvent], settings: ModelSettings) -> Codes:
    """What each counts (n,), in thousandths, as if it was read from a file."""
    kinds = [event.type for event in events] if settings.event_column is not None else [None] * len(events)
    weight = type_weights(kinds, settings.event_weights)
    if settings.value_column is None:
        return weight
    values = np.array([np.nan if event.value is None else event.value for event in events], np.float64)
    return where_positive(weight, values, settings.positive)


def interactions_of_posted(events: Sequence[PostedEvent], settings: ModelSettings) -> Interactions:
    """The set of them."""
    users, items = [event.user for event in events], [event.item for event in events]
    return interactions_of(users, items, [event.time for event in events], weights_of(events, settings))
