"""Where entries of lists come from, as the service says: promotions and reasons. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from worker.report.measure.column import Column, counted, pc, total

WORDS_MAX: Final = 100
OTHERS: Final = "others"
"""What all further promotions or reasons count as, beyond WORDS_MAX of them."""


@dataclass
class Origins:
    """Entries by promotion and by reason; of an entry without one the service says nothing."""

    promotions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)  # an entry may have several
    with_reason: int = 0

    def add_entries(self, promotions: Column | None, reasons: Column | None) -> None:
        """Count entries: a string of each, and a list of strings; None is a column of nulls."""
        if promotions is not None:
            self._count(self.promotions, _words(promotions))
        if reasons is not None:
            self.with_reason += total(pc.greater(pc.list_value_length(reasons), 0))
            self._count(self.reasons, _words(reasons.flatten()))

    def add(self, other: Origins) -> None:
        """Add another's counts."""
        self._count(self.promotions, other.promotions)
        self._count(self.reasons, other.reasons)
        self.with_reason += other.with_reason

    def _count(self, counts: Counter[str], more: Counter[str]) -> None:
        counts.update(more)
        if len(counts) > WORDS_MAX:
            fewest = counts.most_common()[WORDS_MAX - 1 :]
            counts[OTHERS] += sum(rows for word, rows in fewest if word != OTHERS)
            for word, _ in fewest:
                if word != OTHERS:
                    del counts[word]


def _words(values: Column) -> Counter[str]:
    return Counter({str(word): rows for word, rows in counted(values.drop_null())})
