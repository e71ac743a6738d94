"""Columns of the pipeline that is served. Standalone, no dependency: the peers' own interpreters import it too."""

NUMERIC = tuple(f"number_{position:02d}" for position in range(20))
ONEHOT = {"onehot_0": 4, "onehot_1": 8, "onehot_2": 12}
ORDINAL = {"ordinal_0": 5, "ordinal_1": 10}
CATEGORICAL = ONEHOT | ORDINAL
FEATURES = (*NUMERIC, *CATEGORICAL)
TARGET = "label"
CLASSES = ("no", "yes")
ITERATIONS = 100
