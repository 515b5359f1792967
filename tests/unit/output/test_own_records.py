"""What a run's own JSON files hold, written long ago or damaged since, is read or refused.

`format_2` has the files of a small run, as the first version with format 2 wrote them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory_store import MemoryPlace, MemoryStore
from unit.report.damage import damaged

from worker.errors import ConflictError
from worker.output.run_folder import RUN_NAME, SUCCESS_NAME, read_run, read_success
from worker.output.run_record import RunRecord
from worker.output.summary import Summary
from worker.runtime.records import as_json, read_record
from worker.store.local import LocalStore

WRITTEN = {
    name: json.loads((Path(__file__).parent / "format_2" / name).read_bytes())
    for name in (RUN_NAME, SUCCESS_NAME)
}


def _store(files: dict[str, Any]) -> MemoryStore:
    place = MemoryPlace()
    for name, values in files.items():
        place.files[name] = bytearray(json.dumps(values).encode())
    return MemoryStore(place)


def _is_in(wanted: Any, found: Any) -> bool:
    """Return whether all that is wanted is found; further keys are fine."""
    if isinstance(wanted, dict):
        return all(key in found and _is_in(value, found[key]) for key, value in wanted.items())
    return bool(wanted == found)


@pytest.mark.parametrize(("name", "kind"), [(RUN_NAME, RunRecord), (SUCCESS_NAME, Summary)])
def test_what_an_older_version_of_this_format_wrote_is_read_whole(name: str, kind: type) -> None:
    """A new key needs a default: else each run that is finished by then would be finished anew."""
    assert _is_in(WRITTEN[name], as_json(read_record(kind, WRITTEN[name])))


@given(st.data())
def test_whatever_they_hold_they_are_read_or_refused(data: st.DataObject) -> None:
    _, files = damaged(data, WRITTEN)
    store = _store(files)
    said = ""
    try:
        run = read_run(store)
    except ConflictError as error:
        run, said = None, error.what
    assert run or "is damaged: " in said or "with format" in said
    assert read_success(store) is None  # its parts are not there, whatever it says


@pytest.mark.parametrize(
    "name", ["x" * 300, "part-00000.parquet/x", "../part-00000.parquet", "a\0"]
)
def test_a_name_that_no_part_has_is_not_looked_for(name: str, tmp_path: Path) -> None:
    values = {**WRITTEN[SUCCESS_NAME]}
    values["parts"] = [{**values["parts"][0], "name": name}]
    (tmp_path / SUCCESS_NAME).write_text(json.dumps(values))
    assert read_success(LocalStore(tmp_path)) is None


@pytest.mark.parametrize("levels", [300, 900, 100_000])
def test_json_that_is_nested_deeply_is_no_record(levels: int) -> None:
    deep = bytearray(b'{"x": ' + b"[" * levels + b"]" * levels + b"}")
    place = MemoryPlace({RUN_NAME: deep, SUCCESS_NAME: deep})
    with pytest.raises(ConflictError, match="is damaged: "):
        read_run(MemoryStore(place))
    assert read_success(MemoryStore(place)) is None
    values = {**WRITTEN[SUCCESS_NAME], "x": None}
    place.files[SUCCESS_NAME] = bytearray(orjson.dumps(values).replace(b"null", deep))
    assert read_success(MemoryStore(place)) is None
