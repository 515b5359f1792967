"""Data sets: what can be loaded, what cannot and how that is said, what is made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from worker.emulator.data.datasets import Data, load
from worker.emulator.data.synthetic import synthetic_tables
from worker.emulator.errors import EmulatorError
from worker.emulator.model.recommend import Recommender
from worker.emulator.model.train import train
from worker.emulator.settings import EmulatorSettings

INTERACTIONS: dict[str, Any] = {
    "USER_ID": ["b", "a", "b"],
    "ITEM_ID": ["2", "1", "1"],
    "TIMESTAMP": [30, 10, 20],
}
ITEMS: dict[str, Any] = {"ITEM_ID": ["1", "3"], "TITLE": ["One", None], "YEAR": [1999, 2001]}


def write(path: Path, columns: dict[str, Any]) -> str:
    table = pa.table(columns)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return str(path)


def event_types(data: Data) -> list[str | None]:
    types: Any = data.event_types  # Arrow's stubs don't follow dictionaries
    listed: list[str | None] = types.to_pylist()
    return listed


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_parquet_and_csv_load_alike(tmp_path: Path, ending: str) -> None:
    data = load(
        EmulatorSettings(
            interactions=write(tmp_path / f"interactions.{ending}", INTERACTIONS),
            items=write(tmp_path / f"items.{ending}", ITEMS),
        )
    )
    assert data.user_ids == ["a", "b"]
    assert data.item_ids == ["1", "2", "3"]  # of the interactions and of the items
    assert data.user_codes.tolist() == [1, 0, 1]
    assert data.item_codes.tolist() == [1, 0, 0]
    assert data.timestamps.tolist() == [30, 10, 20]
    assert data.item_columns["TITLE"].to_pylist() == ["One", None, None]
    assert data.item_columns["YEAR"].to_pylist() == ["1999", None, "2001"]


def test_ids_in_a_csv_file_keep_their_leading_zeros(tmp_path: Path) -> None:
    columns = INTERACTIONS | {"USER_ID": ["007", "7", "007"]}
    path = tmp_path / "interactions.csv"
    path.write_text(
        "USER_ID,ITEM_ID,TIMESTAMP\n"
        + "".join(f"{user},x,1\n" for user in columns["USER_ID"])  # unquoted
    )
    assert load(EmulatorSettings(interactions=str(path))).user_ids == ["007", "7"]


def test_cells_of_a_csv_file_may_have_several_lines(tmp_path: Path) -> None:
    text = "one,\n\n" + "two" * 1000
    items = {"ITEM_ID": [str(n) for n in range(1000)], "TEXT": [text] * 1000}  # 3 MB: many blocks
    settings = EmulatorSettings(
        interactions=write(tmp_path / "interactions.parquet", INTERACTIONS),
        items=write(tmp_path / "items.csv", items),
    )
    assert load(settings).item_columns["TEXT"].to_pylist() == [text] * 1000


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([2, 1, 2]),
        pa.array(["2", "1", "2"], type=pa.large_string()),
        pa.array(["2", "1", "2"]).dictionary_encode(),
        pa.array([2, 1, 2], type=pa.uint8()),
    ],
)
def test_ids_of_any_text_or_integer_type_become_strings(tmp_path: Path, ids: Any) -> None:
    path = write(tmp_path / "interactions.parquet", INTERACTIONS | {"USER_ID": ids})
    assert load(EmulatorSettings(interactions=path)).user_ids == ["1", "2"]


def test_column_names_match_in_any_case(tmp_path: Path) -> None:
    columns = {name.lower(): values for name, values in INTERACTIONS.items()}
    path = write(tmp_path / "interactions.parquet", columns)
    assert load(EmulatorSettings(interactions=path)).user_ids == ["a", "b"]


def test_an_item_given_twice_keeps_its_last_row(tmp_path: Path) -> None:
    items = {"ITEM_ID": ["1", "2", "1"], "TITLE": ["old", "two", "new"]}
    data = load(
        EmulatorSettings(
            interactions=write(tmp_path / "interactions.parquet", INTERACTIONS),
            items=write(tmp_path / "items.parquet", items),
        )
    )
    assert data.item_columns["TITLE"].to_pylist() == ["new", "two"]


def test_declared_actions_replace_the_made_up_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "actions.parquet", {"ACTION_ID": ["upgrade", "call", "call"]})
    assert load(EmulatorSettings(actions=path)).action_ids == ["call", "upgrade"]
    assert len(load(EmulatorSettings()).action_ids) == 20


@pytest.mark.parametrize(
    ("columns", "says", "advises"),
    [
        ({"USER_ID": ["a"], "TIMESTAMP": [1]}, "no column ITEM_ID; it has: USER_ID", "rename"),
        ({"USER_ID": ["a"], "ITEM_ID": ["1"]}, "no column TIMESTAMP", "rename"),
        (INTERACTIONS | {"USER_ID": ["a", None, "b"]}, "null or empty, in row 1", "drop"),
        (INTERACTIONS | {"ITEM_ID": ["a", "b", ""]}, "null or empty, in row 2", "drop"),
        (INTERACTIONS | {"USER_ID": ["a" * 257] * 3}, "257 characters long, in row 0", "drop"),
        (INTERACTIONS | {"USER_ID": [1.5, 2.0, 3.0]}, "has type double", "cast"),
        (INTERACTIONS | {"TIMESTAMP": ["now", "1", "2"]}, "does not convert", "Unix time"),
        (INTERACTIONS | {"TIMESTAMP": [1, None, 2]}, "has 1 nulls", "drop"),
        ({name: values[:0] for name, values in INTERACTIONS.items()}, "no rows", "rows"),
    ],
)
def test_unusable_interactions_are_refused_with_advice(
    tmp_path: Path, columns: dict[str, Any], says: str, advises: str
) -> None:
    path = write(tmp_path / "interactions.parquet", columns)
    with pytest.raises(EmulatorError, match=says) as caught:
        load(EmulatorSettings(interactions=path))
    assert path in caught.value.what
    assert advises in caught.value.hint


def test_times_of_which_the_file_tells_the_unit_are_taken_in_seconds(tmp_path: Path) -> None:
    seconds = [30, 10, 20]
    milliseconds = pa.array([second * 1000 + 999 for second in seconds])
    kinds: list[Any] = [pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.timestamp("ns")]
    for kind in kinds:
        times = milliseconds.cast(pa.timestamp("ms", kind.tz)).cast(kind)
        path = write(tmp_path / "interactions.parquet", INTERACTIONS | {"TIMESTAMP": times})
        assert load(EmulatorSettings(interactions=path)).timestamps.tolist() == seconds


BYTES = [
    pa.array([b"\xff" * 16] * 3, type=pa.binary(16)),
    pa.array([b"\xff"] * 3, type=pa.binary()),
    pa.array([b"\xff"] * 3, type=pa.large_binary()),
    pa.array([b"\xff"] * 3).dictionary_encode(),
]


@pytest.mark.parametrize("cells", BYTES, ids=lambda cells: str(cells.type))
def test_bytes_are_no_metadata_and_no_context(tmp_path: Path, cells: Any) -> None:
    path = write(tmp_path / "interactions.parquet", INTERACTIONS | {"DEVICE": cells})
    assert load(EmulatorSettings(interactions=path)).interaction_columns["DEVICE"].values == []
    items = write(tmp_path / "items.parquet", {"ITEM_ID": ["1", "2", "3"], "COVER": cells})
    with pytest.raises(EmulatorError, match=r"column COVER .* has type"):
        load(EmulatorSettings(interactions=path, items=items))


@pytest.mark.parametrize("name", ["USER_ID", "DEVICE"])
def test_text_that_is_not_utf_8_is_refused(tmp_path: Path, name: str) -> None:
    text = pa.array([b"a", b"\xff", b"c"]).cast(pa.binary()).view(pa.string())
    path = write(tmp_path / "interactions.parquet", INTERACTIONS | {name: text})
    with pytest.raises(EmulatorError, match="cannot be read"):
        load(EmulatorSettings(interactions=path))


def test_a_metadata_column_of_lists_is_refused_with_advice(tmp_path: Path) -> None:
    items = {"ITEM_ID": ["1"], "GENRES": [["Comedy", "Drama"]]}
    settings = EmulatorSettings(
        interactions=write(tmp_path / "interactions.parquet", INTERACTIONS),
        items=write(tmp_path / "items.parquet", items),
    )
    with pytest.raises(EmulatorError, match=r"column GENRES .* has type list") as caught:
        load(settings)
    assert "joined with '|'" in caught.value.hint


@pytest.mark.parametrize("which", ["interactions", "users", "items", "actions"])
def test_each_missing_file_is_named(tmp_path: Path, which: str) -> None:
    paths = {"interactions": write(tmp_path / "interactions.parquet", INTERACTIONS)}
    paths[which] = str(tmp_path / "absent.parquet")
    with pytest.raises(EmulatorError, match=f"{which} data set .*absent.parquet: No such file"):
        load(EmulatorSettings.model_validate(paths))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "data.txt",
            b"USER_ID,ITEM_ID\n",
            "neither Parquet nor named .csv or .csv.gz; it begins with b'USER",
        ),
        ("data.parquet", b"PAR1 and then nothing", "cannot be read"),
        ("data.csv", b"", "cannot be read"),
        ("data.csv", b"USER_ID,ITEM_ID,TIMESTAMP\n", "has no rows"),
        ("data.csv", b"USER_ID,ITEM_ID,TIMESTAMP\na,b\n", "cannot be read"),
        ("data.csv", b"USER_ID,ITEM_ID,TIMESTAMP,\xe9\na,b,1,2\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(EmulatorError, match=says):
        load(EmulatorSettings(interactions=str(path)))


def test_made_up_data_depend_on_the_seed_alone() -> None:
    one, same, other = (synthetic_tables(seed=seed) for seed in (1, 1, 2))
    assert one[0].equals(same[0])
    assert one[1].equals(same[1])
    assert not one[0].equals(other[0])


def test_made_up_data_have_the_promised_size_and_no_repeats() -> None:
    data = load(EmulatorSettings())
    assert (len(data.user_ids), len(data.item_ids)) == (500, 1000)
    assert (data.user_ids[0], data.item_ids[0]) == ("u0001", "i0001")
    pairs = np.unique(np.stack([data.user_codes, data.item_codes]), axis=1)
    assert pairs.shape[1] == len(data.user_codes)


def test_tables_have_one_row_for_each_id(tmp_path: Path) -> None:
    items = {"YEAR": [1999, 2001, 2002], "item_id": ["1", "3", "3"]}
    users = {"USER_ID": ["c", "a"], "AGE": [30, 40]}
    actions = {"ACTION_ID": ["y", "x", "y"], "VALUE": [1.5, 2.5, 3.5]}
    data = load(
        EmulatorSettings(
            interactions=write(tmp_path / "interactions.parquet", INTERACTIONS),
            items=write(tmp_path / "items.parquet", items),
            users=write(tmp_path / "users.parquet", users),
            actions=write(tmp_path / "actions.parquet", actions),
        )
    )
    assert data.item_table.to_pydict() == {"ITEM_ID": ["1", "2", "3"], "YEAR": [1999, None, 2002]}
    assert data.user_table.to_pydict() == {"USER_ID": ["a", "b", "c"], "AGE": [40, None, 30]}
    assert data.action_table.to_pydict() == {"ACTION_ID": ["x", "y"], "VALUE": [2.5, 3.5]}
    assert data.user_ids == ["a", "b", "c"]  # of the interactions and of the users
    assert data.user_codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "types",
    [
        pa.array(["watch", None, "click"]),
        pa.array(["watch", None, "click"]).dictionary_encode(),
        pa.array(["watch", None, "click"], type=pa.large_string()),
    ],
)
def test_event_types_go_with_their_interactions(tmp_path: Path, types: Any) -> None:
    path = write(tmp_path / "interactions.parquet", INTERACTIONS | {"Event_Type": types})
    data = load(EmulatorSettings(interactions=path))
    assert event_types(data) == ["watch", None, "click"]
    assert event_types(data.only(np.array([False, True, True]))) == [None, "click"]


def test_interactions_without_event_types_have_none(tmp_path: Path) -> None:
    path = write(tmp_path / "interactions.parquet", INTERACTIONS)
    assert event_types(load(EmulatorSettings(interactions=path))) == [None] * 3


def test_a_user_of_the_users_data_set_alone_is_known_and_answered_as_unknown(
    tmp_path: Path,
) -> None:
    users = {"USER_ID": ["new"], "AGE": [30]}
    data = load(
        EmulatorSettings(
            interactions=write(tmp_path / "interactions.parquet", INTERACTIONS),
            users=write(tmp_path / "users.parquet", users),
        )
    )
    recommender = Recommender(train(data))
    known = data.user_ids.index("new")
    assert recommender.for_user(known, 2) == recommender.for_user(None, 2)
