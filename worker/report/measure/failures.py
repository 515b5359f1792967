"""Failed rows by code and message, with examples. Memory: a bounded number of messages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from worker.codec.texts import text_column
from worker.report.measure.column import pc

EXAMPLES_MAX = 5
_MESSAGES_MAX = 1000

COLUMNS = ("error_code", "error_message", "http_status", "attempts", "failed_at")


@dataclass
class Failures:
    """How many rows failed with each code, with which messages, and some of them."""

    codes: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, set[int]] = field(default_factory=dict)
    messages: dict[str, Counter[str]] = field(default_factory=dict)  # the most frequent of a code
    examples: dict[str, list[str]] = field(default_factory=dict)  # IDs of a code's first rows

    def add_rows(self, ids: pa.RecordBatch, rows: pa.RecordBatch) -> None:
        """Count failed rows: their ID columns, and COLUMNS."""
        table = pa.Table.from_batches([rows])
        names = ["error_code", "error_message", "http_status"]
        groups = table.group_by(names, use_threads=False).aggregate([([], "count_all")])
        most = groups.sort_by([("count_all", "descending")]).to_pylist()
        for group in most:
            code = str(group["error_code"])
            self.codes[code] += group["count_all"]
            if group["http_status"] is not None:
                self.statuses.setdefault(code, set()).add(group["http_status"])
            self._add_message(code, str(group["error_message"] or ""), group["count_all"])
        for code in {str(group["error_code"]) for group in most}:
            examples = self.examples.setdefault(code, [])
            if len(examples) < EXAMPLES_MAX:
                having = pc.equal(rows.column("error_code"), pa.scalar(code))
                first = ids.filter(having)[:EXAMPLES_MAX].columns
                columns = [text_column(column).to_pylist() for column in first]
                shown = [" / ".join(map(_shown, row)) for row in zip(*columns, strict=True)]
                examples += shown[: EXAMPLES_MAX - len(examples)]

    def add(self, other: Failures) -> None:
        """Add another's counts, whose rows come after these."""
        self.codes += other.codes
        for code, statuses in other.statuses.items():
            self.statuses.setdefault(code, set()).update(statuses)
        for code, messages in other.messages.items():
            for message, rows in messages.items():
                self._add_message(code, message, rows)
        for code, examples in other.examples.items():
            mine = self.examples.setdefault(code, [])
            mine += examples[: EXAMPLES_MAX - len(mine)]

    def _add_message(self, code: str, message: str, rows: int) -> None:
        messages = self.messages.setdefault(code, Counter())
        if message in messages or len(messages) < _MESSAGES_MAX:
            messages[message] += rows


def _shown(value: Any) -> str:
    return "(null)" if value is None else str(value)
