"""Several things at a time, and their results in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

_Result = TypeVar("_Result")
_WORKERS_MAX = 4


def in_order(
    function: Callable[[int], _Result], count: int, *, workers: int | None = None
) -> Iterator[_Result]:
    """Yield `function(n)` for n below `count`; results that wait are as few as the workers.

    `workers` is by default one for each processor, 4 at most. One alone works in the caller's own
    thread, and never beside what that does with a result: that takes the least memory.
    """
    workers = workers or min(_WORKERS_MAX, os.cpu_count() or 1)
    if workers == 1:
        yield from map(function, range(count))
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future[_Result]] = []
        try:
            for number in range(count):
                waiting.append(pool.submit(function, number))
                if len(waiting) > workers:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)


def ahead(things: Generator[_Result]) -> Generator[_Result]:
    """Yield `things`, none of them None, each made while the one before is in use."""
    with closing(things), ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, things, None)
        while (thing := following.result()) is not None:
            following = thread.submit(next, things, None)
            yield thing
