"""Things made a few at a time, or ahead of their use: in order, whatever goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from worker.report.measure.parallel import ahead, in_order


def test_what_is_made_ahead_comes_in_order() -> None:
    assert list(ahead(each for each in ("a", "b", "c"))) == ["a", "b", "c"]
    assert list(ahead(each for each in "")) == []


def test_one_thing_is_made_while_the_one_before_is_in_use() -> None:
    begun = [threading.Event() for _ in range(3)]

    def things() -> Generator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    for number in ahead(things()):
        if number + 1 < len(begun):
            assert begun[number + 1].wait(10)
        if number + 2 < len(begun):
            assert not begun[number + 2].is_set()


def test_an_error_comes_after_what_was_made_before_it() -> None:
    def things() -> Generator[str]:
        yield "a"
        raise ValueError("b")

    made = ahead(things())
    assert next(made) == "a"
    with pytest.raises(ValueError, match="b"):
        next(made)


def test_who_stops_early_leaves_no_thread_and_nothing_open() -> None:
    ended = []

    def things() -> Generator[int]:
        try:
            yield from range(10)
        finally:
            ended.append(True)

    threads = threading.active_count()
    made = ahead(things())
    assert next(made) == 0
    made.close()
    assert ended == [True]
    assert threading.active_count() == threads


def test_results_are_in_order_however_many_are_worked_on() -> None:
    assert list(in_order(lambda number: number**2, 9, workers=3)) == [n**2 for n in range(9)]


def test_one_worker_is_the_caller_and_does_nothing_ahead() -> None:
    begun: list[tuple[int, int]] = []

    def note(number: int) -> int:
        begun.append((number, threading.get_ident()))
        return number

    for number in in_order(note, 3, workers=1):
        assert begun[-1] == (number, threading.get_ident())
