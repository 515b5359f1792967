"""`run`: claims the output, works on every chunk that is not done, and sums up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anyio import to_thread

from worker.aws.access import Access
from worker.engine.local import work
from worker.errors import InputError, OutputError, StoppedError, WorkerError, leaves
from worker.job import Job
from worker.model import Chunk
from worker.output.run_folder import (
    SUCCESS_NAME,
    chunks_by_state,
    claim,
    note_input,
    read_success,
)
from worker.output.same_input import changed_files, check_parts, made_from
from worker.output.summary import add_up
from worker.runtime import log
from worker.runtime.stop import StopSwitch
from worker.store.local import LocalStore
from worker.telemetry.progress import View
from worker.telemetry.tally import Tally


async def run(
    job: Job,
    store: LocalStore,
    access: Access,
    view: View,
    switch: StopSwitch,
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Finish the run and return the content of `_SUCCESS`, or of `_QUALITY_FAILED`.

    Raises StoppedError when `switch` or a cap of [stop] ends it early: everything committed stays,
    and the same call carries on. Raises RefusedError, ConflictError, InputError or OutputError as
    their names say; the last two end as StoppedError once anything was called.
    """
    with store.writing():
        recorded = claim(job, store, overwrite=overwrite)
        done, todo = chunks_by_state(store, job.source.chunks)
        await _compare(job, store, recorded, done, switch)
        if summary := read_success(store):
            log.info("already done", output=store.root)
            return await to_thread.run_sync(_finish, job, store, summary)
        store.remove(SUCCESS_NAME)  # one that does not hold any more
        if done and todo:
            log.info("resuming", parts_done=len(done), parts_left=len(todo))
        for chunk in done:  # a kill may have come between a commit and this
            store.drop_spool(job.run_id, chunk.part_name)
        # A damaged part is found before the first call, not after the last.
        books = await to_thread.run_sync(add_up, store, done)
        stop = job.config.stop
        tally = Tally(
            rows_expected=sum(chunk.rows for chunk in todo),
            results_before=books.results,
            # Who tolerates more is not stopped by less.
            error_share_stop=max(stop.error_share_stop, stop.error_share_max),
        )
        with _resumable_after_calls(tally):
            if todo:
                await work(job, todo, tally, store, access, view, switch)
            return await to_thread.run_sync(_finish, job, store, None)


async def _compare(
    job: Job, store: LocalStore, recorded: dict[str, Any], done: list[Chunk], switch: StopSwitch
) -> None:
    """Raise ConflictError when parts that are done were made from other rows than there are now."""
    changed = changed_files(job.source, recorded)
    parts = [chunk for chunk in done if made_from(chunk, changed)]
    if parts:
        log.info("the input was written again: comparing it with what is done", parts=len(parts))
        await to_thread.run_sync(
            check_parts, job, store, recorded, parts, changed, lambda: switch.reason is not None
        )
        switch.check()
        note_input(job, store, recorded)


@contextmanager
def _resumable_after_calls(tally: Tally) -> Iterator[None]:
    """Turn what is wrong with input or output into a stop, once anything was called."""
    try:
        yield
    except* (InputError, OutputError) as group:
        if not tally.calls:
            raise
        error = leaves(group)[0]
        if isinstance(error, WorkerError):
            raise StoppedError(f"stopped before the end: {error.what}", hint=error.hint) from None


def _finish(job: Job, store: LocalStore, summary: dict[str, Any] | None) -> dict[str, Any]:
    from worker.commands.finish import finish  # what a start need not wait for

    return finish(job, store, summary)
