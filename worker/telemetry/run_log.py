"""The log lines of a run, each for a moment."""

from __future__ import annotations

from worker.runtime import log
from worker.telemetry.listener import Committed, RunListener, Started


class RunLog(RunListener):
    """Writes a line of the log for each moment that people want to read of later."""

    def started(self, start: Started) -> None:
        """Log what the run is about to do."""
        log.info(
            "start",
            operation=start.operation,
            target=start.target,
            rows=start.tally.rows_expected,
            parts=start.parts,
            tps=start.tps,
            **({"tps_from": start.tps_from} if start.tps_from else {}),
        )

    def down(self, code: str, *, stops_in_s: float) -> None:
        """Log an outage."""
        log.warning("service down", last=code, stops_in_s=stops_in_s)

    def up(self, down_s: float) -> None:
        """Log the end of an outage."""
        log.warning("service answers again", seconds=down_s)

    def committed(self, part: Committed) -> None:
        """Log a part."""
        log.debug("committed", part=part.chunk.part_name, rows=part.rows, results=part.results)
