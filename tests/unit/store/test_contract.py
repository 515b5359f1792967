"""What every store does: the same cases over a folder of the local disk, and over memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from support.memory_store import MemoryPlace, MemoryStore

from worker.errors import ConflictError, OutputError
from worker.store.base import Store
from worker.store.local import LocalStore

Opening = Callable[[], Store]  # each call stands for another process


@pytest.fixture(params=["local", "memory"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Opening:
    if request.param == "local":
        return partial(LocalStore, tmp_path / "a" / "out")
    return partial(MemoryStore, MemoryPlace())


def put(store: Store, name: str, *pieces: bytes) -> None:
    """Create a file, which has no name yet."""
    with store.create(name) as file:
        for piece in pieces:
            file.write(piece)


def test_a_place_that_is_not_there_is_empty_and_is_made_when_it_is_claimed(
    opening: Opening,
) -> None:
    store = opening()
    assert (store.list(), store.size("a"), store.exists("a"), store.read("a")) == (
        [],
        None,
        False,
        None,
    )
    with store.claim():
        store.write("a", b"1")
    assert opening().list() == ["a"]


def test_a_file_has_its_name_when_it_is_committed_and_not_before(opening: Opening) -> None:
    store, reader = opening(), opening()
    with store.claim():
        put(store, "_errors/part", b"half", b" and half")
        assert (reader.list(), reader.exists("_errors/part")) == ([], False)
        store.commit("_errors/part")
        assert reader.list() == ["_errors/part"]
    assert reader.read("_errors/part") == b"half and half"
    assert reader.size("_errors/part") == 13


def test_what_is_discarded_or_left_behind_by_a_process_never_has_a_name(opening: Opening) -> None:
    store = opening()
    with store.claim():
        put(store, "a", b"1")
        store.discard("a")
        store.discard("never created")
        put(store, "b", b"2")
    with opening().claim():
        assert opening().list() == []


def test_a_committed_file_is_replaced_whole(opening: Opening) -> None:
    store = opening()
    with store.claim():
        put(store, "a", b"first")
        store.commit("a")
        with opening().open_read("a") as before:
            put(store, "a", b"second")
            store.commit("a")
            assert before.read() == b"first"
        store.write("a", b"third")
        assert store.read("a") == b"third"


def test_files_are_read_by_ranges(opening: Opening) -> None:
    store = opening()
    with store.claim():
        store.write("a", b"0123456789")
    with opening().open_read("a") as file:
        file.seek(3)
        assert (file.read(4), file.size(), file.tell()) == (b"3456", 10, 7)
        assert file.read(100) == b"789"
    with pytest.raises(FileNotFoundError):
        opening().open_read("b")


def test_names_are_sorted_and_spools_are_no_files(opening: Opening) -> None:
    store = opening()
    with store.claim():
        for name in ("part-2", "_errors/part-1", "_run.json", "part-10"):
            store.write(name, b"")
        store.spool("run", "part-3").open_append(0).close()
        assert store.list() == sorted(["part-2", "_errors/part-1", "_run.json", "part-10"])


def test_a_removed_file_is_gone_and_a_missing_one_is_fine(opening: Opening) -> None:
    store = opening()
    with store.claim():
        store.write("a", b"1")
        store.remove("a")
        store.remove("a")
    assert (opening().exists("a"), opening().list()) == (False, [])


def test_a_second_holder_is_refused_until_the_first_has_ended(opening: Opening) -> None:
    first, second = opening(), opening()
    with first.claim():
        with pytest.raises(ConflictError), second.claim():
            raise AssertionError
        first.check_claimed()
    with second.claim():
        second.write("a", b"1")


def test_who_holds_nothing_commits_removes_and_clears_nothing(opening: Opening) -> None:
    holder, other = opening(), opening()
    with holder.claim():
        holder.write("a", b"1")
        for forbidden in (
            other.check_claimed,
            partial(other.write, "a", b"2"),
            partial(other.remove, "a"),
            other.clear_spools,
        ):
            with pytest.raises(OutputError):
                forbidden()
        assert holder.read("a") == b"1"


def test_a_report_is_replaced_by_who_holds_nothing(opening: Opening) -> None:
    with opening().claim():
        opening().replace("_report.html", b"old")
        opening().replace("_report.html", b"new")
    assert opening().read("_report.html") == b"new"


def test_a_file_that_grows_is_read_as_it_grows_and_begins_anew_when_it_is_opened_again(
    opening: Opening,
) -> None:
    store = opening()
    with store.claim():
        for line in (b"one\n", b"two\n"):
            file = store.open_growing("_timeline")
            file.append([line])
            assert opening().read("_timeline") == line
            file.append([b"more", b"\n"])
            file.close()
            assert opening().read("_timeline") == line + b"more\n"


def test_a_spool_outlives_its_process_and_is_cut_off_where_it_is_carried_on(
    opening: Opening,
) -> None:
    store = opening()
    with store.claim():
        assert not store.has_spools("run")
        spool = store.spool("run", "part-0")
        assert (spool.name, spool.read()) == ("part-0", None)
        with spool.open_ranges() as ranges:
            assert ranges is None
        growing = spool.open_append(0)
        growing.append([b"abc", b"def"])
        growing.close()
        spool.sync()
        store.sync_spools("run")
    again = opening()
    with again.claim():
        assert again.has_spools("run")
        growing = again.spool("run", "part-0").open_append(4)
        growing.append([b"X" * 3_000] * 1_000)
        with again.spool("run", "part-0").open_ranges() as ranges:
            assert ranges is not None
            assert ranges.size() == 3_000_004
            assert ranges.read_at(3, 2) == b"cdX"
            assert ranges.read_at(9, 3_000_002) == b"XX"
        growing.close()


def test_spools_end_one_by_one_or_all_together(opening: Opening) -> None:
    store = opening()
    with store.claim():
        for name in ("a", "b"):
            store.spool("run", name).open_append(0).close()
        store.spool("run", "seconds").replace(b"1")
        store.spool("run", "seconds").replace(b"2")
        assert store.spool("run", "seconds").read() == b"2"
        store.drop_spool("run", "a")
        store.drop_spool("run", "a")
        store.spool("run", "a").sync()  # a missing one is fine
        assert [store.spool("run", name).read() for name in ("a", "b")] == [None, b""]
        store.clear_spools()
        store.clear_spools()
        assert store.spool("run", "b").read() is None


def test_what_a_place_refuses_is_advice(opening: Opening) -> None:
    with pytest.raises(OutputError, match="No space left") as caught, opening().errors_as_advice():
        raise OSError(28, "No space left on device")
    assert caught.value.hint
