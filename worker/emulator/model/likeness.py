"""Items that are alike by what is written about them, not by who touched them.

Source: developer guide, "Semantic-Similarity recipe". The service embeds the meaning of texts; here
items are alike that have rare words in common (TF-IDF, cosine). Texts are the columns that the
schema calls itemName and textual, or without a schema all columns of text. A campaign's
rankingInfluence adds up to 1 each for POPULARITY, the number of interactions over the largest, and
FRESHNESS, where CREATION_TIMESTAMP lies between the oldest and the newest.

Chosen: an item without a word that others have, too, or one that is not known, gets popular items.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from worker.emulator.data.datasets import Data
from worker.emulator.data.tables import decoded, is_text
from worker.emulator.model.exploration import created
from worker.emulator.model.softmax import Floats

POPULARITY: Final = "POPULARITY"
FRESHNESS: Final = "FRESHNESS"
_BETWEEN_WORDS: Final = r"[^\p{L}\p{N}]+"


class Likeness:
    """How much alike items are by their texts; made when first asked, as few campaigns ask."""

    def __init__(self, data: Data) -> None:
        self._data = data

    def to(self, item: int, influence: Mapping[str, float]) -> Floats | None:
        """Return a weight for every item, None where the item has no words in common with any."""
        vectors = self._vectors
        products = vectors @ vectors[[item], :].T
        alike: Floats = products.toarray().ravel().astype(np.float32)
        alike[item] = 0.0
        if not alike.any():
            return None
        for factor, values in ((POPULARITY, self._popularity), (FRESHNESS, self._freshness)):
            if influence.get(factor):
                alike = alike + np.float32(influence[factor]) * values
        alike[item] = -np.inf
        return alike

    @cached_property
    def _vectors(self) -> sparse.csr_array:
        """Return a row of length 1 for each item with words, a column for each word."""
        words: Any = pc.split_pattern_regex(pc.utf8_lower(self._texts()), _BETWEEN_WORDS)
        flat, rows = words.flatten(), pc.list_parent_indices(words).to_numpy()
        encoded = flat.dictionary_encode()
        codes, known = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
        keep = np.array([bool(word) for word in known], dtype=np.bool_)[codes]
        size = len(self._data.item_ids)
        counts = sparse.csr_array(
            (np.ones(int(keep.sum())), (rows[keep], codes[keep])), shape=(size, len(known))
        )
        counts.sum_duplicates()
        used_by = np.bincount(counts.indices, minlength=len(known))
        weights = (1.0 + np.log(counts.data)) * np.log((1.0 + size) / used_by[counts.indices])
        counts.data = weights
        lengths = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)))
        scale = sparse.diags_array(1.0 / np.where(lengths > 0.0, lengths, 1.0))
        return sparse.csr_array(scale @ counts)

    def _texts(self) -> Any:
        """Return what is written about each item."""
        table, data = self._data.item_table, self._data
        marked = data.textual | ({data.title} if data.title else set())
        texts: list[Any] = []
        for name, values in zip(table.column_names[1:], table.columns[1:], strict=True):
            plain = decoded(values)
            if is_text(plain.type) and (not marked or name.upper() in marked):
                texts.append(plain.cast(pa.large_string()).combine_chunks())
        if not texts:
            return pa.array([""] * table.num_rows, type=pa.large_string())
        return pc.binary_join_element_wise(
            *texts,
            pa.scalar(" ", pa.large_string()),
            null_handling="replace",
        )

    @cached_property
    def _popularity(self) -> Floats:
        counts = np.bincount(self._data.item_codes, minlength=len(self._data.item_ids))
        return _shares(counts.astype(np.float64), low=0.0)

    @cached_property
    def _freshness(self) -> Floats:
        times = created(self._data).astype(np.float64)
        known = times >= 0
        if not known.any():
            return np.zeros(len(times), dtype=np.float32)
        oldest = float(times[known].min())
        return _shares(np.where(known, times, oldest), low=oldest)


def _shares(values: npt.NDArray[np.float64], *, low: float) -> Floats:
    """Return where values lie between `low`, 0, and the largest, 1."""
    span = float(values.max()) - low
    shares: Floats = ((values - low) / span if span else np.zeros(len(values))).astype(np.float32)
    return shares
