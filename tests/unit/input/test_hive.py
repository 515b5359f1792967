"""Hive keys: what the folders' names say, as text or as whole numbers."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import InputError
from worker.input._hive import hive_keys
from worker.store.files import FoundFile
from worker.store.local_files import LocalFiles


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"ID": [path.name]}), path)


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("a=1/a=2", "two hive partitions 'a'"),
        ("a=1/b=2/a=1", "two hive partitions 'a'"),
        ("a=1/%61=2", "two hive partitions 'a'"),
        ("=5", "partition without a name"),
        ("a=1/=", "partition without a name"),
    ],
)
def test_a_hive_key_has_one_name_and_one_value(folder: str, says: str, tmp_path: Path) -> None:
    write(tmp_path / folder / "a.parquet")
    with pytest.raises(InputError, match=says):
        hive_keys(LocalFiles().find(str(tmp_path)))


def test_a_hive_keys_name_is_read_as_it_was_before_it_was_escaped() -> None:
    values, schema = hive_keys([FoundFile("/in/a%3Ab=x%2Fy/f.parquet", "a%3Ab=x%2Fy/f.parquet")])
    assert schema.names == ["a:b"]
    assert values == {"/in/a%3Ab=x%2Fy/f.parquet": {"a:b": "x/y"}}


@pytest.mark.parametrize("name", ["store=%FF", "store=caf\udce9"])
def test_a_hive_key_that_is_no_text_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not UTF-8") as caught:
        hive_keys([FoundFile("a", f"{name}/a.parquet")])
    assert caught.value.what.encode()  # it can be printed


@given(st.lists(st.text("0123456789+-_ .e", min_size=1, max_size=6), min_size=1, max_size=4))
def test_no_text_of_a_hive_key_is_lost(texts: list[str]) -> None:
    folders = [f"store={quote(text, safe='')}" for text in texts]
    files = [FoundFile(str(n), f"{folder}/{n}") for n, folder in enumerate(folders)]
    values, schema = hive_keys(files)
    assert [str(values[file.name]["store"]) for file in files] == texts
    assert len({type(each["store"]) for each in values.values()}) == 1
    assert schema.names == ["store"]
