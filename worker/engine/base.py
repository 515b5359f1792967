"""What every engine is given: Chunks by a hand-out, and a share of what the run may use.

A run claims its output, works, and finishes; an engine is the second of these. It gets a Job, a
HandOut, a Share, and listeners; how many processes work, and on which machines, is its own matter.
What a second engine brings of its own, behind the same arguments:

- a HandOut whose Chunks come from a coordinator, and go to another worker after a worker's end;
- a Share that is a lease: its rate and its calls hold until a moment of the worker's own clock,
  after which nothing leaves; the coordinator counts a share as used until it has expired;
- a store that holds a lock for each worker, and temporary names and spools of its own, where the
  first commit of a part wins and the second learns of it;
- a Tally for each worker, cumulative since it began: the coordinator adds them up, and judges
  whether too many rows fail;
- one adaptive rate for all, the coordinator's: a worker reports throttles, and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from worker.rate.choice import RateChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one worker may use of a run's rate and of its calls. Of one worker: all, for ever."""

    rate: RateChoice  # this worker's part of the run's
    calls_max: int | None  # that this worker may make; None: as many as there are rows, and retries
    # Whether nobody else calls for this run: what throttles show is the target's capacity then, and
    # remembered for the next run. A part of it must not slow that one down.
    is_whole: bool = True
