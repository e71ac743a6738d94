"""How a model does on rows without labels, estimated from what its held-out rows told.

Classification: confidence-based performance estimation (CBPE, as NannyML names it; Guillory et al. 2021 and
Garg et al. 2022 study the idea): calibrated probabilities say how likely each class is, hence which value a
metric is expected to have. Regression: direct loss estimation (DLE): trees learn the size of the errors from
features and prediction. Both are ensembles of fits to block resamples of the held-out rows (bagging, Breiman
1996): their mean estimates, their spread tells how sure it is, and the reference value takes for each held-out
row only the members that did not see it. Blind where the relation of features and target changes (concept drift).
Far from all held-out rows it takes what the nearest of them told, and the interval does not know of that.
"""

from retrain.monitoring.estimate.common import FEWEST_ROWS
from retrain.monitoring.estimate.estimated import ASSUMES, estimate_performance
from retrain.monitoring.estimate.fit import fit_estimate

__all__ = ["ASSUMES", "FEWEST_ROWS", "estimate_performance", "fit_estimate"]
