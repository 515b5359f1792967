"""Calls that were rejected, and no call with a result: would all of them be? Pure.

For runs and load tests alike. A wrong recipe type, say, comes as each row's own
InvalidInputException; what is no Personalize may answer anything.
"""

from __future__ import annotations

from worker.errors import CommandOutcome, RefusedError, StoppedError
from worker.model import Failure
from worker.personalize.error_codes import Source, meaning_of, redacted_failure, refused

# So many calls must end alike, with no success between, before the run is judged and not its rows:
# an input may begin with bad rows, and rejections cost no time.
CALLS_TO_JUDGE = 100


class Rejections:
    """Counts how calls were rejected. Two different reasons acquit the run; so it stays small."""

    def __init__(self) -> None:
        self.calls = 0  # that were rejected
        self.passing = 0  # calls that failed in a way that passes
        self._reasons = set[tuple[Source, str, str]]()
        self._last = Failure(code="", message="")  # of all that failed
        self._rejected = self._last

    def record_failure(self, failure: Failure) -> None:
        """Count a call that failed."""
        meaning = meaning_of(failure.code, failure.http_status)
        self._last = failure
        self.passing += meaning.outcome is CommandOutcome.STOPPED
        if meaning.outcome is not CommandOutcome.REFUSED:
            return
        self.calls += 1
        self._rejected = failure
        if len(self._reasons) < 2:
            # Of what is not Personalize no word counts: pages differ, and so do errors.
            is_named = meaning.source is Source.SERVICE
            words = (failure.code, failure.message) if is_named else ("", "")
            self._reasons.add((meaning.source, *words))

    def refusal(self, *, of: int | None = None) -> RefusedError | None:
        """Return the error for all calls, or None.

        `of` is how many calls there were in all, when there will be no more: all of them were
        rejected then, however few. To be asked only while no call has had a result.
        """
        if len(self._reasons) != 1 or self.calls < (CALLS_TO_JUDGE if of is None else max(1, of)):
            return None
        return refused(self._rejected, calls=self.calls)

    def unanswered(self, *, of: int) -> StoppedError | None:
        """Return the error for `of` calls that all failed in ways that pass, or None."""
        if self.passing < of:
            return None
        last = self._last
        return StoppedError(
            f"the service does not answer: of {of:,} calls none had a result; the last ended with "
            f"{redacted_failure(last)}",
            hint=meaning_of(last.code, last.http_status).hint,
        )

    @property
    def are_of_others(self) -> bool:
        """Whether all were answered by something else than Personalize: no row's fault."""
        return {source for source, *_ in self._reasons} == {Source.OTHER}
