"""The byte budget as a whole: what README promises, and that no bound is set elsewhere."""

from __future__ import annotations

import importlib
import re

import pytest
from support.runs import PROJECT

from worker.runtime import memory_budget
from worker.runtime.memory_budget import CALLING, FORECAST, LOADTEST, Bound, total_bytes

MIB = 1 << 20
# Large bounds that are none of the budget: of what, by file and name.
OTHERS = {
    ("personalize/limits.py", "BODY_BYTES_MAX"): "one answer",
    ("transport/_http1.py", "ANSWER_BYTES_MAX"): "one answer, as received",
    ("input/_footer.py", "_FOOTER_BYTES_MAX"): "one footer, which a file has or has not",
    ("input/_parquet.py", "_READ_BUFFER_BYTES"): "one file's buffer",
    ("codec/columns.py", "EXPLODED_BYTES_MAX"): "memory of whoever reads a part, not of the run",
    ("codec/decoder.py", "_PIECE_BYTES"): "within PIECE_BYTES",
    ("codec/decoder.py", "_USUAL_BYTES_MAX"): "what Arrow's offsets reach",
    ("job.py", "_READ_BYTES"): "within READ_BYTES_MAX: how many batches are read at a time",
    ("job.py", "_BATCH_BYTES"): "how many rows a batch has, by what is expected of them",
    ("pipeline/_drain.py", "_SMALL_BYTES"): "which thread decodes",
    ("config/load.py", "CONFIG_BYTES_MAX"): "one config",
    ("aws/_process.py", "_PRINTED_BYTES_MAX"): "one output of a command",
    ("rate/remembered.py", "_FILE_BYTES_MAX"): "one small file",
}
_BOUND = re.compile(r"^(\w*BYTES\w*)(?:: \w+)? = [^#\n]*(?:<< ?[23]\d|_MIB|MIB\b)", re.MULTILINE)


def test_what_readme_promises_is_what_all_bounds_come_to() -> None:
    """Words may change: the three figures stand in one sentence of a README, in this order."""
    books = [(PROJECT / name).read_text() for name in ("README.md", "worker/README.md")
             if (PROJECT / name).exists()]  # fmt: skip
    figures = [total_bytes(bounds) // MIB for bounds in (CALLING, FORECAST, LOADTEST)]
    sentence = r"[^.]*\b{} MiB[^.]*\b{} MiB[^.]*\b{} MiB".format(*figures)
    assert any(re.search(sentence, book) for book in books), f"README is to say {figures} MiB"


@pytest.mark.parametrize("bound", [*CALLING, *FORECAST, *LOADTEST], ids=lambda bound: bound.what)
def test_each_row_is_held_by_what_it_names(bound: Bound) -> None:
    assert bound.bytes_max > 0
    module, _, name = f"worker.{bound.held_by}".rpartition(".")
    if name[0].isupper():
        assert hasattr(importlib.import_module(module), name)
    else:
        importlib.import_module(f"{module}.{name}")


def test_each_bound_of_bytes_is_in_a_row_or_within_another() -> None:
    names = {name for name in vars(memory_budget) if name.isupper() and "BYTES" in name}
    text = (PROJECT / "worker/runtime/memory_budget.py").read_text()
    rows = text.partition("CALLING = ")[2]
    within = {"BATCH_BYTES_MAX"}  # READ_BYTES_MAX
    assert {name for name in names if not re.search(rf"\b{name}\b", rows)} == within


def test_no_other_module_sets_a_large_bound() -> None:
    found = {
        (path.relative_to(PROJECT / "worker").as_posix(), name)
        for path in (PROJECT / "worker").rglob("*.py")
        if not {"emulator", "report"} & set(path.relative_to(PROJECT / "worker").parts)
        and path.name != "memory_budget.py"
        for name in _BOUND.findall(path.read_text())
    }
    assert found - OTHERS.keys() == set(), "to memory_budget.py, or with a reason to OTHERS"
