"""From interactions to embeddings: a truncated SVD, and how peaked its softmax should be.

What is factorised is the matrix of who touched what, D_u^-1/2 M D_i^-1/4: rows scaled so that busy
users don't dominate, columns so that hits don't. An item's embedding gets the column scale back.
On 100,000 film ratings, leaving each user's last one out, the left-out film was among the first 25
for 15 % of the users, against 6 % for popularity and 8 % for popularity among unseen films; other
exponents and ranks did no better. scripts/hit-rate measures this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh

from worker.emulator.data.datasets import Data
from worker.emulator.model.softmax import Floats, Ints, as_weights

_Doubles = npt.NDArray[np.float64]

RANK_MAX: Final = 32
"""Latent dimensions; fewer where users or items are few."""

_ITEM_EXPONENT: Final = 0.25
_POPULARITY_WEIGHT: Final = 0.1  # logits per factor e of popularity: decides where tastes are even
_UNSEEN_COUNT: Final = 0.5  # what an item without interactions counts as, so that it has a score
_SUPPORT: Final = 5.0  # interactions at which an item's direction is trusted by half
_DENSE_CELLS_MAX: Final = 4_000_000  # up to which a small matrix is factorised exactly
_SAMPLE_USERS: Final = 64  # whose answers tell how peaked the softmax is
_SCALE_RANGE: Final = (0.01, 20.0)  # film data sets came to 0.4 and 0.8
_SCALE_STEPS: Final = 25  # halvings of the interval that the scale is in


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What answers are computed from. n users, m items, k dimensions; codes as in `Data`.

    A user's logits are scale * (user_vectors[user] @ item_vectors) + appeal: one product of
    embeddings, if appeal is thought of as one more dimension in which all users are alike.
    """

    user_vectors: Floats  # n x k, so long that a user's tastes vary over items by about 1
    item_vectors: Floats  # k x m: rows of contiguous items multiply faster than columns
    item_directions: Floats  # k x m, length 1 or less: products are similarities; 0 for unseen
    appeal: Floats  # m; logits that popularity adds
    popularity: Floats  # m; interactions of the item, 0.5 for none
    seen_start: npt.NDArray[np.int64]  # n + 1; where each user's part of seen_items starts
    seen_items: Ints  # item codes, each once per user
    repeat_rate: float  # 0 < r < 1: share of interactions with an item that the user had before
    scale: float  # how peaked scores are

    def seen(self, user: int) -> Ints:
        """Return the codes of the items that a user has interacted with, each once."""
        return self.seen_items[self.seen_start[user] : self.seen_start[user + 1]]

    def weights(self, user: int, lift: Floats | None = None) -> tuple[Floats, float]:
        """Return every item's weight for a user, and their sum: a score is a weight over it.

        `lift` is added to the logits: what the context of the request changes.
        """
        logits = (np.float32(self.scale) * self.user_vectors[user]) @ self.item_vectors
        logits += self.appeal
        if lift is not None:
            logits += lift
        return as_weights(logits, self.seen(user), self.repeat_rate)


def train(data: Data) -> Model:
    """Return the model of the data; the same for the same data, bit for bit on one machine.

    Raises nothing on its own: `load` has refused data that has no rows.
    """
    users, items = len(data.user_ids), len(data.item_ids)
    touched = sparse.csr_array(
        (np.ones(len(data.user_codes), np.float64), (data.user_codes, data.item_codes)),
        shape=(users, items),
    )  # repeats add up in the conversion
    repeats = len(data.user_codes) - touched.nnz
    touched.data[:] = 1.0
    popularity = np.bincount(data.item_codes, minlength=items).astype(np.float64)
    row_scale = np.maximum(np.asarray(touched.sum(axis=1)), 1.0) ** -0.5
    column_scale = np.maximum(np.asarray(touched.sum(axis=0)), 1.0) ** _ITEM_EXPONENT
    scaled = sparse.diags_array(row_scale) @ touched @ sparse.diags_array(1.0 / column_scale)
    left, strengths, right = _factors(sparse.csr_array(scaled))
    item_vectors = right * column_scale
    directions = right * strengths[:, None]
    lengths = np.linalg.norm(directions, axis=0)
    trust = popularity / (popularity + _SUPPORT) / np.where(lengths > 0.0, lengths, 1.0)
    counted = np.maximum(popularity, _UNSEEN_COUNT)
    model = Model(
        user_vectors=_float32(_even(left * strengths, item_vectors)),
        item_vectors=_float32(item_vectors),
        item_directions=_float32(directions * trust),
        appeal=_float32(_POPULARITY_WEIGHT * np.log(counted)),
        popularity=_float32(counted),
        seen_start=touched.indptr.astype(np.int64),
        seen_items=touched.indices.astype(np.int32),
        repeat_rate=(repeats + 0.5) / (len(data.user_codes) + 1.0),
        scale=1.0,
    )
    return replace(model, scale=_scale(model))


def _factors(matrix: sparse.csr_array) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Return (left, strengths, right) of the truncated SVD, strongest first, signs fixed."""
    smaller = min(matrix.shape)
    # Fewer than the matrix has, or it would be reproduced exactly: all memory, no judgement.
    rank = max(1, min(RANK_MAX, smaller // 3))
    if smaller < 4 or (smaller <= 2 * RANK_MAX and np.prod(matrix.shape) <= _DENSE_CELLS_MAX):
        left, strengths, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    else:
        left, strengths, right = _largest(matrix, rank)
    order = np.argsort(-strengths, kind="stable")[:rank]
    left, strengths, right = left[:, order], strengths[order], right[order]
    largest = np.abs(right).argmax(axis=1)
    signs = np.where(right[np.arange(rank), largest] < 0.0, -1.0, 1.0)
    return left * signs, strengths, right * signs[:, None]


def _largest(matrix: sparse.csr_array, rank: int) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Return (left, strengths, right) of the `rank` largest singular values, in any order.

    As scipy's svds does it, but that svds leaves it to chance where ARPACK starts anew, which it
    does when a matrix has few different singular values.
    """
    flat = matrix.shape[0] < matrix.shape[1]
    tall = sparse.csr_array(matrix.T) if flat else matrix
    across = tall.T
    gram = LinearOperator((tall.shape[1],) * 2, matvec=lambda x: across @ (tall @ x), dtype=float)
    random = np.random.default_rng(0)
    start = random.standard_normal(tall.shape[1])  # which no singular vector is orthogonal to
    basis = np.linalg.qr(eigsh(gram, k=rank, v0=start, rng=random)[1])[0]
    left, strengths, right = np.linalg.svd(tall @ basis, full_matrices=False)
    right = right @ basis.T
    return (right.T, strengths, left.T) if flat else (left, strengths, right)


def _even(users: _Doubles, items: _Doubles) -> _Doubles:
    """Return users' vectors scaled so that each one's tastes vary over the items by about 1.

    Otherwise one user's scores would be nearly alike and another's all on one item. Who has next
    to no taste that the factors can express keeps little, and gets what is popular.
    """
    covariance = np.atleast_2d(np.cov(items, ddof=0))
    variance = ((users @ covariance) * users).sum(axis=1)
    deviation = np.sqrt(variance.clip(min=0.0))
    active = users.any(axis=1)  # users of the users data set alone have no tastes
    typical = float(np.median(deviation[active]))
    evened: _Doubles = users / np.maximum(deviation, 0.2 * typical or 1.0)[:, None]
    return evened


def _scale(model: Model) -> float:
    """Return the scale of logits with which a typical user's best score is like the service's.

    That is m^-0.45 for m items in the catalogue: 0.6 of 3, 0.05 of 1,000, 0.02 of 9,000. A rule of
    thumb through the developer guide's example of three films and published answers of the service;
    it changes scores, hardly ever their order.
    """
    items = model.item_vectors.shape[1]
    active = np.flatnonzero(np.diff(model.seen_start))
    sample = active[np.unique(np.linspace(0, len(active) - 1, _SAMPLE_USERS).astype(int))].tolist()
    low, high = _SCALE_RANGE
    for _ in range(_SCALE_STEPS):
        middle = (low * high) ** 0.5
        tried = replace(model, scale=middle)
        if np.median([_best_score(tried, user) for user in sample]) < items**-0.45:
            low = middle
        else:
            high = middle
    return low


def _best_score(model: Model, user: int) -> float:
    weights, total = model.weights(user)
    return float(weights.max()) / total


def _float32(values: _Doubles) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float32)
