"""An estimator as a skops file: written, and read only if each of its types is trusted.

The list of trusted types stands here and in the user's configuration. It is never taken from the file, which
says what it wants to be trusted.
"""

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import skops.io

from retrain.records.errors import Refused
from retrain.store.packed_trees import pack, unpack

KERNELS = ("RBF", "ConstantKernel", "Product", "Sum", "WhiteKernel", "Matern", "DotProduct", "RationalQuadratic")
TRUSTED_TYPES = frozenset(
    {
        "functools.partial",
        "numpy.dtype",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._dist_metrics.ManhattanDistance64",
        "sklearn.metrics._dist_metrics.MinkowskiDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils.validation.check_array",
        *(f"sklearn.gaussian_process.kernels.{kernel}" for kernel in KERNELS),
    }
)


def dump(estimator: Any, trusted_types: Collection[str] = ()) -> bytes:
    """The skops file of an estimator; Refused names what could not be read back."""
    try:
        data: bytes = skops.io.dumps(pack(estimator))
    except Exception as error:
        raise Refused(f"{type(estimator).__name__} cannot be stored by skops: {error}") from error
    _check(data, trusted_types, type(estimator).__name__)
    return data


def load(path: Path, trusted_types: Collection[str] = ()) -> Any:
    """The estimator of a skops file; Refused names types that are neither known here nor configured."""
    data = path.read_bytes()
    allowed = _check(data, trusted_types, str(path))
    return unpack(skops.io.load(io.BytesIO(data), trusted=allowed))


def _check(data: bytes, trusted_types: Collection[str], what: str) -> list[str]:
    """The types beyond skops' own list, all of them trusted."""
    wanted: list[str] = skops.io.get_untrusted_types(data=data)
    unknown = sorted(set(wanted) - TRUSTED_TYPES - set(trusted_types))
    if unknown:
        raise Refused(
            f"{what} contains types that are not trusted: {', '.join(unknown)}",
            "name those that you trust, of installed packages, in [models.NAME.estimator] trusted_types",
        )
    return wanted
