"""The moment in which an attempt leaves: at its turn, within the cap on calls, before a stop."""

from __future__ import annotations

from worker.call.attempt import Attempt
from worker.call.outage import OutageGate
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.runtime.stop import StopSwitch
from worker.telemetry.listener import RunListener
from worker.telemetry.tally import Tally
from worker.transport.base import Ready


class Departures:
    """Gives each attempt that has a connection its turn, lets it leave, and counts it.

    The transport asks, through `Attempt`; the pacer answers. See attempt.Desk.
    """

    def __init__(
        self,
        *,
        pacer: Pacer,
        gate: OutageGate,
        governor: Governor,
        switch: StopSwitch,
        tally: Tally,
        listener: RunListener,
        calls_max: int | None,
    ) -> None:
        self._pacer = pacer
        self._gate = gate
        self._clock = gate.clock  # the gate compares these times with its own
        self._governor = governor
        self._switch = switch
        self._tally = tally
        self._listener = listener
        self._calls_max = calls_max

    def ask(self, attempt: Attempt) -> None:
        """Have the attempt leave at its turn; send it back when there will be no turn."""
        if self._switch.reason or (self._gate.is_down and not attempt.is_probe):
            attempt.send_back()
        else:
            self._pacer.ask(attempt)

    def let_go(self, attempt: Attempt, ready: Ready, now_s: float) -> bool:
        """Let the attempt leave, whose turn it is at `now_s`; return whether it has left."""
        if (self._switch.reason or self._calls_max is not None) and not self.is_within_cap():
            attempt.send_back()
            return False
        sent_us = self._clock.wall_us()
        if not ready.go(now_s):
            return False
        self._count_sent(attempt, sent_us, now_s)
        return True

    def take(self, attempt: Attempt) -> bool:
        """Let an attempt leave now, if it may; `let_go` offered it a turn, and it was not ready."""
        if not self.is_within_cap() or not self._pacer.take(attempt):
            return False
        self._count_sent(attempt, self._clock.wall_us(), self._clock.now_s())
        return True

    def record_written(self) -> None:
        """Take note that the request that took its turn last is written by now."""
        self._pacer.record_written()

    def is_within_cap(self) -> bool:
        """Return whether one more call may be made; at the cap on calls, throw the switch."""
        if self._switch.reason:
            return False
        if self._calls_max is not None and self._tally.calls >= self._calls_max:
            self._switch.throw(f"the cap of {self._calls_max} calls is reached")
            return False
        return True

    def count_unsent(self, attempt: Attempt) -> None:
        """Count an attempt that failed before its request was sent. It is a call, to caps, too.

        If its turn is due, the turn is used up.
        """
        self._tally.calls += 1
        self._tally.retries += attempt.is_retry
        self._pacer.take(attempt)

    def _count_sent(self, attempt: Attempt, sent_us: int, sent_s: float) -> None:
        attempt.has_left = True
        attempt.sent_us, attempt.sent_s = sent_us, sent_s
        tally = self._tally
        tally.calls += 1
        tally.retries += attempt.is_retry
        tally.in_flight += 1
        self._governor.record_sent(sent_s)
        self._listener.called(sent_s, is_retry=attempt.is_retry)
