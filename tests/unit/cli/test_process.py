"""What a process is like that was set up for a job."""

from __future__ import annotations

import os
import subprocess
import sys

JOB = """
from worker.cli.process import set_up_interpreter
set_up_interpreter()
import pyarrow as pa
import pyarrow.parquet as pq
file = pa.BufferOutputStream()
pq.write_table(pa.table({"text": [str(n) for n in range(10_000)]}), file)
pq.read_table(pa.BufferReader(file.getvalue()))
print(pa.system_memory_pool().num_allocations() > 0, pa.mimalloc_memory_pool().num_allocations())
"""


def test_all_of_arrow_allocates_from_one_heap() -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ARROW_")}
    said = subprocess.run(
        [sys.executable, "-c", JOB], capture_output=True, text=True, check=True, env=env
    )
    assert said.stdout.split() == ["True", "0"]


CYCLES = """
import gc, weakref
from worker.cli.process import end_start, give_memory_back, set_up_interpreter
set_up_interpreter()
class Histogram:
    def __init__(self):
        self.own = self
end_start()
print(gc.get_freeze_count() > 1000)
histogram = weakref.ref(Histogram())
print(histogram() is not None)
give_memory_back(garbage=True)
print(histogram() is None)
"""


def test_what_refers_to_itself_is_given_back_and_what_a_start_has_made_is_not_looked_at() -> None:
    said = subprocess.run(
        [sys.executable, "-c", CYCLES], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["True"] * 3
