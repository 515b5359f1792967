"""Whether the input still holds what the parts that are done were made from.

Names, sizes and footers of the input are in its fingerprint: other ones are another run's. Other
rows can have the same: in another order, say. So the state of each file is in `_run.json`, too: one
that is unchanged in it is trusted. Another one is read, and the digest in the footer of each part
with rows of it is computed anew. Rows without a part are not compared here: an answer that is kept
has its own request's digest. Columns that are neither copied nor used for requests may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from worker import __version__
from worker.codec.digests import NO_REQUEST, RowsDigest, request_digest
from worker.errors import ConflictError
from worker.input.reader import RowReader
from worker.input.source import Source
from worker.job import Job
from worker.model import Chunk
from worker.output.books import read_books
from worker.output.run_record import RunRecord
from worker.store.base import Store

_SHOWN_FILES = 3


def changed_files(source: Source, run: RunRecord) -> frozenset[str]:
    """Return the paths of files that may not be what they were when `run` was written."""
    before, seen_ns = run.input.files, run.input.seen_ns
    return frozenset(
        path
        for path, file in source.files.items()
        if before.get(file.name) != file.state._asdict() or not file.state.is_certain(seen_ns)
    )


def made_from(chunk: Chunk, files: Iterable[str]) -> list[str]:
    """Return those of `files` that the Chunk has rows of."""
    own = dict.fromkeys(piece.path for piece in chunk.pieces)
    return [path for path in own if path in files]


def check_parts(
    job: Job,
    store: Store,
    run: RunRecord,
    done: Iterable[Chunk],
    changed: frozenset[str],
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Raise ConflictError unless the parts that are `done` are made from what is there now.

    Reads the rows of parts that `changed` files are in and builds their requests: some seconds for
    a million rows. Memory: some batches. Blocking; ends early, without a word, when `is_stopped`.
    Raises InputError on damaged data.
    """
    with job.reader() as reader:
        for chunk in done:
            if is_stopped():
                return
            files = made_from(chunk, changed)
            if files and not is_made_from(job, reader, store, chunk):
                listed = ", ".join(files[:_SHOWN_FILES]) + (" ..." if files[_SHOWN_FILES:] else "")
                part = store.shown(chunk.part_name)
                raise ConflictError(
                    f"{part} was made from other rows than there are now in "
                    f"{listed}{_or_versions(run.version)}",
                    hint="bring the old input back, or set another output.path for the new one, or "
                    "replace that run with --overwrite",
                )


def _or_versions(began: str | None) -> str:
    if began == __version__:
        return ""
    return f" (or version {__version__} of this program asks otherwise for them than {began} did)"


def is_made_from(job: Job, reader: RowReader, store: Store, chunk: Chunk) -> bool:
    """Return whether the Chunk's part has the digest of the rows that are there now. Blocking."""
    return read_books(store, chunk.part_name).digest == rows_digest(job, reader, chunk)


def rows_digest(job: Job, reader: RowReader, chunk: Chunk) -> str:
    """Return the digest of a Chunk's rows, as its part would have it. Blocking."""
    digest = RowsDigest()
    for rows in reader.read(chunk):
        requests = [
            request_digest(built) if isinstance(built, bytes) else NO_REQUEST
            for built in job.builder.build(rows)
        ]
        digest.add(b"".join(requests), rows.select(list(job.copied)))
    return digest.text()
