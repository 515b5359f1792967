"""What scripts/bench and scripts/soak are made of.

A module a mode of scripts/bench, under its name: speed, memory, pace, quota, start, resume, adapt,
report, generate, search, truth, against. The others serve them: `process` measures a process,
`server` is the canned service, `job` the job that is measured, `clients` what the job is measured
beside, `loadtest_command` runs a load test, and `soak_claims` says what a soak has to leave behind.
"""

from __future__ import annotations

import sys
from pathlib import Path

# What measures a spool looks for it as the tests do: with their `support`.
sys.path.append(str(Path(__file__).parents[2] / "tests"))
