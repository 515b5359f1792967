"""Where data sets may lie: a file, a gzipped one, a folder of them; and what is no data set."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.emulator import ARN, client, emulator

from worker.emulator.data.datasets import Data, load
from worker.emulator.errors import EmulatorError
from worker.emulator.settings import EmulatorSettings

HEADER = "USER_ID,ITEM_ID,TIMESTAMP\n"
ROWS = ["a,1,10\n", "b,1,20\n", "b,2,30\n"]


def loaded(path: Path) -> Data:
    return load(EmulatorSettings(interactions=str(path)))


def test_a_gzipped_csv_file_loads(tmp_path: Path) -> None:
    path = tmp_path / "interactions.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "".join(ROWS)).encode()))
    assert loaded(path).timestamps.tolist() == [10, 20, 30]


def test_a_folder_of_csv_files_loads_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "interactions"
    (folder / "day=2").mkdir(parents=True)
    (folder / "part-0.csv").write_text(HEADER + ROWS[0])
    (folder / "part-1.csv.gz").write_bytes(gzip.compress((HEADER + ROWS[1]).encode()))
    (folder / "day=2" / "part-0.csv").write_text("ITEM_ID,TIMESTAMP,USER_ID\n2,30,b\n")
    (folder / "_SUCCESS").write_text("")
    (folder / ".part-0.csv.crc").write_text("x")
    (folder / "part-2.csv").write_text("")  # as Spark writes where there are no rows
    data = loaded(folder)
    assert data.user_ids == ["a", "b"]
    assert data.item_ids == ["1", "2"]
    assert sorted(data.timestamps.tolist()) == [10, 20, 30]


def test_a_folder_of_parquet_files_loads_as_one(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"USER_ID": ["a"], "ITEM_ID": [1], "TIMESTAMP": [10]}
    narrow = columns | {"ITEM_ID": pa.array([2], pa.int32()), "TIMESTAMP": [20]}
    for number, each in enumerate((columns, narrow)):
        pq.write_table(pa.table(each), tmp_path / f"part-{number}.parquet")
    assert loaded(tmp_path).item_ids == ["1", "2"]


def test_files_of_a_folder_with_other_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER + ROWS[0])
    (tmp_path / "b.csv").write_text("USER_ID,ITEM_ID\nb,1\n")
    with pytest.raises(EmulatorError, match=r"differ in their columns: .*a\.csv .*b\.csv"):
        loaded(tmp_path)


def test_files_of_a_folder_with_other_types_are_refused(tmp_path: Path) -> None:
    for number, times in enumerate(([10], ["now"])):
        columns = {"USER_ID": ["a"], "ITEM_ID": ["1"], "TIMESTAMP": times}
        pq.write_table(pa.table(columns), tmp_path / f"part-{number}.parquet")
    with pytest.raises(EmulatorError, match="differ in the types"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "a folder without a file"),
        (["_SUCCESS", ".hidden.csv"], "a folder without a file"),
        (["notes.txt"], "notes.txt is neither Parquet nor named .csv"),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused(
    tmp_path: Path, names: list[str], says: str
) -> None:
    for name in names:
        (tmp_path / name).write_text(HEADER + ROWS[0])
    with pytest.raises(EmulatorError, match=says):
        loaded(tmp_path)


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "interactions.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "".join(ROWS)).encode())[:-12])
    with pytest.raises(EmulatorError, match="cannot be read"):
        loaded(path)


def test_boto3_gets_metadata_from_a_folder_of_gzipped_files(tmp_path: Path) -> None:
    for what, lines in (("interactions", HEADER + "".join(ROWS)), ("items", "ITEM_ID,T\n1,One\n")):
        folder = tmp_path / what
        folder.mkdir()
        (folder / "part.csv.gz").write_bytes(gzip.compress(lines.encode()))
    data = {what: str(tmp_path / what) for what in ("interactions", "items")}
    with emulator(**data) as address:
        items = client("personalize-runtime", address).get_recommendations(
            campaignArn=f"{ARN}campaign/popularity-count",
            userId="a",
            metadataColumns={"ITEMS": ["T"]},
        )["itemList"]
    assert items[0] == {"itemId": "1", "metadata": {"T": "One"}}
