"""The windows of which twins are made, shortest first: how many of the newest labelled files, long ones as several (see
`retrain.rows.batches`); None is all."""

from collections.abc import Mapping

WINDOWS: Mapping[str, int | None] = {"last3": 3, "last12": 12, "all": None}
