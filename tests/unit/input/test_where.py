"""`where`: SQL's meaning, on rows."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa
import pytest

from worker.errors import ConfigError
from worker.input._where_filter import selected
from worker.input.where_parser import check_where, parse_where

ROWS = pa.table(
    {
        "ID": [1, 2, 3, 4],
        "A": ["heavy", "light", None, "it's"],
        "N": [1, 5, 10, None],
        "odd name": [True, False, None, True],
        "D": [date(2026, 11, 20), date(2026, 11, 21), None, None],
        "T": [datetime(2026, 11, 20), datetime(2026, 11, 21, 13), None, None],  # noqa: DTZ001 - Parquet's own kind
    }
)


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("A = 'heavy'", [1]),
        ("A <> 'heavy'", [2, 4]),
        ("A != 'heavy'", [2, 4]),
        ("A = 'it''s'", [4]),
        ("N > 1", [2, 3]),
        ("N >= 1 AND N < 10", [1, 2]),
        ("N = 1 OR A = 'light'", [1, 2]),
        ("NOT N = 1", [2, 3]),
        ("NOT (N = 1 OR N = 5)", [3]),
        ("N BETWEEN 5 AND 10", [2, 3]),
        ("N > -1.5", [1, 2, 3]),
        ("A IN ('heavy', 'light')", [1, 2]),
        ("A NOT IN ('heavy')", [2, 4]),
        ("A LIKE '%h%'", [1, 2]),
        ("A ~~ '%h%'", [1, 2]),
        ("A NOT LIKE '%h%'", [4]),
        ("A !~~ '%h%'", [4]),
        ("NOT A LIKE '%h%'", [4]),
        ("NOT A NOT LIKE '%h%'", [1, 2]),
        ("NOT (A NOT LIKE '%h%' OR N = 1)", [2]),
        ("N NOT BETWEEN 5 AND 10", [1]),
        ("A IS NULL", [3]),
        ('("odd name" = TRUE) IS NULL', [3]),
        ("N IN (1, 5) AND A IN ('heavy')", [1]),
        ("A IS NOT NULL", [1, 2, 4]),
        ('"odd name" = TRUE', [1, 4]),
        ('"odd name"', [1, 4]),
        ('"odd name" IS TRUE', [1, 4]),
        ('"odd name" IS NOT TRUE', [2, 3]),
        ("N IN (1, 2.5)", [1]),
        ("5 < N", [3]),
        ("N > 99999999999999999999999", []),
        ("1 = 1 AND N = 1", [1]),
        ("N = 1 OR FALSE", [1]),
        ("D >= DATE '2026-11-21'", [2]),
        ("T IN (DATE '2026-11-20', TIMESTAMP '2026-11-21 13:00:00')", [1, 2]),
        ("T < TIMESTAMP '2026-11-21 12:00:00'", [1]),
        ("T BETWEEN TIMESTAMP '2026-11-21' AND TIMESTAMP '2026-11-22'", [2]),
    ],
)
def test_rows_are_selected_as_sql_would(where: str, ids: list[int]) -> None:
    meant = parse_where(where)
    assert set(meant.columns) <= set(ROWS.column_names)
    check_where(meant, ROWS.schema)
    (rows,) = ROWS.to_batches()
    assert selected(meant, rows).column("ID").to_pylist() == ids


@pytest.mark.parametrize(
    "where",
    [
        "A =",
        "A = 'x",
        "1 = 1",
        "A = (SELECT 1)",
        "A IN (SELECT 1)",
        "A = 'x'; DROP TABLE y",
        "length(A) = 5",
        "N BETWEEN 0 2",
        "N BETWEEN 0, 2",
        "N IN (1, , 2)",
        "N IN (, 1)",
        "N IN (1 2)",
        '! "odd name"',
        "N NOT IS NULL",
        "N IS NOT + NULL",
        '+ ("odd name")',
        "A ! LIKE 'h%'",
        "N = 1 AS",
        "N = 1 N",
        "N = 1 AND",
        "AND N = 1",
        "N = 1 OR OR N = 2",
        "N < > 1",
        "N =< 1",
        "",
        "IF > 3",
        "T > TIMESTAMPTZ '2026-11-21+00'",
        "t.A = 'x'",
        "N BETWEEN SYMMETRIC 5 AND 1",
        "A NOT ILIKE 'h%'",
        "A LIKE 'h!%' ESCAPE '!'",
        "A IN UNNEST(B)",
        "N IN (1, A)",
        "A LIKE N",
        "A LIKE 7",
        "A = N'heavy'",
        "D = DATE '20261121'",
        "T = TIMESTAMP '2026-11-21 05:30:00.1234567'",
        "T = TIMESTAMP '2026-11-21 05:30:00+02:00'",
        "T = TIMESTAMPTZ '2026-11-21 05:30:00'",
        "N > 1e400",
        "N > 999999999999999999999999999999999999999",
        "CAST(N AS DOUBLE) > 1",
        "N IS 1",
        '"odd name" = TRUE IS NULL',
        '"odd name" = TRUE IS NOT TRUE',
        "\"odd name\" = A LIKE 'h%'",
        "N = 1 = TRUE",
        "D = DATE 'someday'",
        "(" * 5_000 + "A = 1" + ")" * 5_000,
        "A = 'x' OR " * 1_000 + "A = 'y'",
    ],
)
def test_anything_but_a_condition_on_columns_is_refused_with_advice(where: str) -> None:
    with pytest.raises(ConfigError, match=r"input\.where") as caught:
        parse_where(where)
    assert "ACTIVITY = 'heavy'" in caught.value.hint
    assert "\x1b" not in caught.value.what
    assert "sqlglot" not in caught.value.what
    assert "Error" not in caught.value.what


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("N BETWEEN 0 2", "'2' is not understood where it stands"),
        ("N IN (1, , 2)", "',' is not understood where"),
        ("N = 1 AND", "'AND' is not understood where"),
        ("S ILIKE 'X'", "'ILIKE' is not understood where it stands"),
        ("  ", "it ends too early"),
        ("/* N = 1 */", "it ends too early"),
        ("N = 1 AND (A = 'x'", "cannot be read from"),
        ("A = 'x", "a quote"),
        ("(" * 200 + "N = 1" + ")" * 200, "nested too deeply"),
        ("lower(A) = 'x'", "LOWER(A) is not understood"),
    ],
)
def test_what_is_wrong_is_told_in_words(
    where: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_where(where)
    assert says in caught.value.what
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("where", "types"),
    [
        ("A = 1", "A: string"),
        ("A IN ('7', 7)", "A: string"),
        ("N = 'x'", "N: int64"),
        ("A = N", "A: string, N: int64"),
        ("D > '2026-11-21'", "D: date32[day]"),
        ("T > TIMESTAMPTZ '2026-11-21 05:30:00+00:00'", "T: timestamp[us]"),
        ("N LIKE '1%'", "N: int64"),
        ("NOT N", "N: int64"),
    ],
)
def test_unlike_types_are_refused_with_the_columns_types(where: str, types: str) -> None:
    meant = parse_where(where)
    with pytest.raises(ConfigError, match="does not fit the columns") as caught:
        check_where(meant, ROWS.schema)
    assert caught.value.hint.endswith(f"the columns are {types}")
