"""Running totals of one invocation: what the live view shows and the caps are held against."""

from collections import Counter
from dataclasses import dataclass, field

from worker.model import Answer, Failure, Outcome

# So many rows must end alike, with no success between, before the run is judged and not the rows.
ROWS_TO_JUDGE = 10
# More for rejections: an input may begin with bad rows, and rejections cost no time.
REJECTIONS_TO_JUDGE = 100
_REJECTIONS = frozenset({"InvalidInputException", "InvalidAnswer"})


@dataclass(slots=True)
class Tally:
    """Mutated by the lanes, in one event loop; read by anyone."""

    rows_expected: int
    results_before: int = 0  # of earlier invocations of this run
    results: int = 0
    duplicates: int = 0  # rows, of these and of `errors`, that took over another's outcome
    errors: Counter[str] = field(default_factory=Counter)
    calls: int = 0  # HTTP attempts, retries included
    retries: int = 0
    throttles: int = 0
    in_flight: int = 0
    # Since the last success:
    exhausted: int = 0  # rows whose attempts ran out
    exhausted_by: Failure | None = None  # what the last of them ended with
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)  # by code and message

    @property
    def rows_done(self) -> int:
        """Rows with an outcome."""
        return self.results + self.errors.total()

    def note(self, outcome: Outcome) -> None:
        """Count a row's end."""
        match outcome.result:
            case Answer():
                self.results += 1
                self.exhausted = 0
                self.rejected.clear()
            case Failure(code=code, message=message):
                self.errors[code] += 1
                # Two different reasons are enough to acquit the run; so the counter stays small.
                if code in _REJECTIONS and len(self.rejected) < 2:
                    self.rejected[code, message] += 1

    def note_duplicate(self, outcome: Outcome) -> None:
        """Count a row that took over another's outcome: of the service it says nothing new."""
        self.duplicates += 1
        if isinstance(outcome.result, Failure):
            self.errors[outcome.result.code] += 1
        else:
            self.results += 1

    def note_exhausted(self, failure: Failure) -> None:
        """Count a row whose attempts ran out; `note` follows if the run goes on."""
        self.exhausted += 1
        self.exhausted_by = failure

    def outage(self, *, at_end: bool = False) -> str | None:
        """Return why the service counts as down, or None while it does not.

        It is down when enough rows in a row end without one success. At the end of a run that
        has fewer rows, any will do, if the service was not even reached.
        """
        last = self.exhausted_by
        enough = 1 if at_end and last and last.http_status is None else ROWS_TO_JUDGE
        if last is None or self.exhausted < enough:
            return None
        return (
            f"the service does not answer: {self.exhausted} rows in a row used up their attempts; "
            f"the last ended with {last.code}: {last.message}"
        )

    def refusal(self, *, at_end: bool = False) -> tuple[str, str] | None:
        """Return the code and message with which every row is rejected, or None.

        A wrong recipe type, say, is reported as every row's own InvalidInputException; at the end
        of a run that has fewer rows, any will do. A wrong endpoint may answer anything.
        """
        if self.results or self.results_before or len(self.rejected) != 1:
            return None
        [(reason, rows)] = self.rejected.items()
        is_spoken = reason[0] == "InvalidInputException"  # the service's word, so a few are enough
        return reason if rows >= (1 if at_end and is_spoken else REJECTIONS_TO_JUDGE) else None
