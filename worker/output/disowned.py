"""Answers that are kept and are none: a run that ends before their part is made disowns them.

What they are is known when a part is made from them. Until then a proxy's page is kept like an
answer, and would be taken for one by the next start, whatever answers by then.
"""

from __future__ import annotations

from collections.abc import Iterable

from worker.codec.decoder import Decoder
from worker.input.sizes import cut
from worker.model import DIGEST_BYTES, Answer, Chunk, Outcome
from worker.output.spool import Spool, SpoolWriter
from worker.output.spool_format import Mark, Settled, pack
from worker.personalize.answer_shape import AnswerShape
from worker.runtime.memory_budget import SPOOL_READ_BYTES
from worker.store.base import Store

_STEP_ROWS = 1024
# What no request's digest is, and no row's that cannot be sent: the row is asked again.
_NOBODYS = b"\xff" * DIGEST_BYTES


def disown_malformed(
    store: Store, run_id: str, chunks: Iterable[Chunk], shape: AnswerShape
) -> None:
    """Take back kept answers of `chunks` that are malformed, so that their rows are asked again.

    Blocking; reads all that is kept. Memory: a few MiB of answers, or one. Raises OutputError when
    the disk refuses.
    """
    for chunk in chunks:
        file, mark = store.spool(run_id, chunk.part_name), Mark.of(run_id, chunk)
        with store.errors_as_advice():
            rows = _malformed(Spool(file, mark), chunk.rows, shape)
            if rows:
                writer = SpoolWriter(file)
                try:
                    writer.append(pack([_disowned(row) for row in rows], mark))
                finally:
                    writer.close()


def _malformed(spool: Spool, rows: int, shape: AnswerShape) -> list[int]:
    found, decoder = list[int](), Decoder(shape)
    for first in range(0, rows, _STEP_ROWS):
        sizes = spool.sizes(first, _STEP_ROWS)
        positions = sorted(sizes)
        for begin, end in cut([sizes[row] for row in positions], SPOOL_READ_BYTES):
            low, high = positions[begin], positions[end - 1]
            kept = spool.rows(low, high - low + 1)
            answers = {
                row: outcome.result
                for row, outcome in sorted(kept.items())
                if isinstance(outcome.result, Answer)
            }
            failures = decoder.decode([*answers.values()]).failures
            found += [[*answers][position] for position in failures]
    return found


def _disowned(row: int) -> Settled:
    nothing = Outcome(Answer(b"", None), attempts=0, throttles=0, sent_us=0, latency_ms=0.0)
    return Settled(row, nothing, _NOBODYS)
