"""Running totals of one invocation: what the live view shows and the caps are held against."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.errors import RefusedError
from worker.model import Answer, Chunk, Failure, Outcome
from worker.personalize.error_codes import (
    INVALID_ANSWER,
    Source,
    meaning_of,
    redacted_code,
    redacted_failure,
)
from worker.personalize.rejections import Rejections

# A share of fewer rows says little.
ROWS_TO_SHARE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The service is down. Times are the monotonic clock's."""

    since_s: float
    stops_s: float  # when it lasts too long
    last_code: str  # what the last attempt ended with


@dataclass(slots=True)
class Tally:
    """Counts what this invocation has done so far, and judges whether it is any use to go on.

    Changed by the pipeline and by Admission, in one event loop; read by anyone.
    """

    rows_expected: int  # of all chunks to do, before `where` until `expect` knows better
    needless: int = 0  # of these, rows that need no call by this invocation, as far as is known
    results_before: int = 0  # of earlier invocations of this run
    error_share_stop: float = 1.0  # of the last rows; above it, it is no use to go on
    results: int = 0  # answers, until they are read; malformed ones are `errors` then
    malformed: int = 0
    has_read_results: bool = False  # and some of them are sound
    duplicates: int = 0  # rows, of these and of `errors`, that took over another's outcome
    errors: Counter[str] = field(default_factory=Counter)
    calls: int = 0  # HTTP attempts, retries included
    retries: int = 0
    throttles: int = 0
    in_flight: int = 0
    target_tps: float | None = None  # the rate gone for, while it is below the ceiling
    outage: Outage | None = None
    resumed: tuple[float, int] | None = (
        None  # when the last one was over, and the rows done by then
    )
    exhausted_by: Failure | None = None  # what the last row ended with whose attempts ran out
    rejections: Rejections = field(default_factory=Rejections)  # of rows
    # Which of the last rows that were called have failed: their numbers among all of these, codes.
    failed_rows: deque[tuple[int, str]] = field(default_factory=deque)
    unsent: int = 0  # rows without a call
    expected: dict[int, tuple[int, int]] = field(default_factory=dict)  # by chunk, where known

    @property
    def rows_done(self) -> int:
        """Rows with an outcome."""
        return self.results + self.errors.total()

    @property
    def rows_to_call(self) -> int:
        """Rows that still need a first attempt, as far as is known."""
        return max(0, self.rows_expected - self.needless - (self.calls - self.retries))

    @property
    def has_results(self) -> bool:
        """Whether the service has ever answered a row of this run."""
        return self.results + self.results_before > 0

    @property
    def rows_called(self) -> int:
        """Rows with an outcome of their own call."""
        return self.rows_done - self.unsent - self.duplicates

    def expect(self, chunk: Chunk, *, rows: int, needless: int) -> None:
        """Take over what a chunk comes to, better known than before: rows, those without a call."""
        rows_before, needless_before = self.expected.get(chunk.index, (chunk.rows, 0))
        self.rows_expected += rows - rows_before
        self.needless += needless - needless_before
        self.expected[chunk.index] = rows, needless

    def count_row(self, outcome: Outcome) -> None:
        """Count a row's end."""
        match outcome.result:
            case Answer():
                self.results += 1
            case Failure(code=code) as failure:
                self.errors[code] += 1
                if outcome.attempts:
                    self.rejections.record_failure(failure)
                    self._record_failed(code)
                else:
                    self.unsent += 1

    def count_kept(self, rows: int) -> None:
        """Count rows that were answered before this invocation."""
        self.results += rows

    def count_duplicate(self, outcome: Outcome) -> None:
        """Count a row that took over another's outcome: of the service it says nothing new."""
        self.duplicates += 1
        if isinstance(outcome.result, Failure):
            self.errors[outcome.result.code] += 1
        else:
            self.results += 1

    def count_malformed(self, failures: Sequence[Failure], *, duplicates: int = 0) -> None:
        """Take for failed rows those whose answers were read at last, and are none.

        `duplicates` are rows that took over such an answer.
        """
        self.malformed += len(failures)
        for failure in failures:
            self.results -= 1
            self.errors[failure.code] += 1
            self.rejections.record_failure(failure)
            self._record_failed(failure.code)
        if duplicates:
            self.results -= duplicates
            self.errors[INVALID_ANSWER] += duplicates

    def record_exhausted(self, failure: Failure) -> None:
        """Remember what a row ended with whose attempts ran out; `count_row` may follow."""
        self.exhausted_by = failure

    def unreached(self) -> str | None:
        """Return why a run that ends without any result says nothing of its rows, or None."""
        last = self.exhausted_by
        if last is None or self.rejections.calls:
            return None
        if meaning_of(last.code, last.http_status).source is Source.SERVICE:
            return None
        return f"the service does not answer; the last row ended with {redacted_failure(last)}"

    def failing(self) -> str | None:
        """Return why it is no use to go on, or None: too many of the last 1,000 rows failed.

        Rows without a call of their own do not count. To be asked after a row that failed.
        """
        if self.rows_called < ROWS_TO_SHARE:
            return None
        share = len(self.failed_rows) / ROWS_TO_SHARE
        if share <= self.error_share_stop:
            return None
        (code, rows), *_ = Counter(code for _, code in self.failed_rows).most_common(1)
        of_them = f"{rows:,} of them with {redacted_code(code)}"
        return f"{share:.0%} of the last {ROWS_TO_SHARE:,} rows failed, {of_them}"

    def _record_failed(self, code: str) -> None:
        number = self.rows_called
        self.failed_rows.append((number, code))
        while self.failed_rows[0][0] <= number - ROWS_TO_SHARE:
            self.failed_rows.popleft()

    def refusal(self, *, is_part: bool = False, is_all: bool = False) -> RefusedError | None:
        """Return the error for a run without a result, every row of which is rejected; or None.

        `is_part`: of what is about to be committed nothing else is to come; `is_all`: of the run.
        """
        is_proven = self.has_read_results or self.results_before or not self.malformed
        if self.has_results and is_proven:
            return None
        is_enough = is_all or (is_part and self.rejections.are_of_others)
        return self.rejections.refusal(of=self.rows_called if is_enough else None)
