"""EASE: the closed-form linear model of items (Steck 2019), on the best-supported items, pruned.

With G = XᵀX + λI of the users × items matrix X of ones and P = G⁻¹, the weights are B = −P / diag(P) by columns, with a
zero diagonal. P comes from a Cholesky factorisation in single precision: as good as double, at half the memory and
time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from retrain.recommendation.counters import Counters
from retrain.recommendation.interactions import Codes

BYTES_A_WEIGHT = 27
"""Peak memory for one entry of the dense matrix, in bytes: three single-precision copies and room for LAPACK; measured
0.75 GB at 5,000 items."""


@dataclass(frozen=True)
class EaseSettings:
    """How it is trained: at most so many items, each with at least so many users, at most so many weights a row;
    `penalty` is λ; `memory_bytes` bounds the items further."""

    items: int = 3000
    fewest_users: int = 3
    weights: int = 200
    penalty: float = 100.0
    memory_bytes: int = 2 * 10**9

    @property
    def most_items(self) -> int:
        """How many items the bound and the memory allow."""
        return min(self.items, int((self.memory_bytes / BYTES_A_WEIGHT) ** 0.5))


@dataclass(frozen=True)
class ItemWeights:
    """A trained version: `table` (items × items, single precision) has what an item of the history (row) says for
    another (column); `trained` are the items that it knows."""

    table: sparse.csr_array
    trained: Codes


def fit(counters: Counters, settings: EaseSettings = EaseSettings()) -> ItemWeights:
    """Train on the counters' users. The best-supported items, of equal support by name: the same events give the same
    bits on the same machine."""
    chosen = supported(counters.support, settings)
    size = len(counters.interactions.items)
    if len(chosen) < 2:
        return ItemWeights(sparse.csr_array((size, size), dtype=np.float32), chosen)
    gram = counters.together[chosen][:, chosen].toarray().astype(np.float32)
    inner = pruned(_weights(gram, settings.penalty), settings.weights).tocoo()
    shape = (size, size)
    table = sparse.csr_array((inner.data, (chosen[inner.row], chosen[inner.col])), shape=shape)
    table.sort_indices()
    return ItemWeights(table, chosen)


def supported(support: Codes, settings: EaseSettings) -> Codes:
    """The places of the best-supported items, sorted."""
    order = np.lexsort((np.arange(len(support)), -support))[: settings.most_items]
    return np.sort(order[support[order] >= settings.fewest_users])


def pruned(weights: NDArray[np.float32], most: int) -> sparse.csr_array:
    """The `most` largest of each row by size, in single precision."""
    if most < weights.shape[1]:
        cut = np.partition(np.abs(weights), -most, axis=1)[:, -most]
        weights = np.where(np.abs(weights) >= cut[:, None], weights, np.float32(0))
    return sparse.csr_array(weights)


def _weights(gram: NDArray[np.float32], penalty: float) -> NDArray[np.float32]:
    """B of a Gram matrix (m, m), which is overwritten."""
    places = np.arange(len(gram))
    gram[places, places] += np.float32(penalty)
    factor, failed = lapack.spotrf(gram.T, lower=0, overwrite_a=1)
    assert not failed, "a Gram matrix with a penalty is positive definite"
    inverse, failed = lapack.spotri(factor, lower=0, overwrite_c=1)
    assert not failed, "a factor with a positive diagonal is invertible"
    inverse = np.triu(inverse) + np.triu(inverse, 1).T
    weights = -inverse / np.diag(inverse)[None, :]
    weights[places, places] = 0
    return np.asarray(weights, np.float32)
