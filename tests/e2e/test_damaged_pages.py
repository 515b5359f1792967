"""Parquet whose footer is sound and whose data is not."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    results,
    user_ids,
    write_parquet,
)
from support.scripts import echo, serving


@pytest.mark.parametrize("damaged", ["header", "data"])
def test_damaged_pages_end_the_run_with_advice_and_a_sound_file_resumes_it(
    damaged: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    plain = {"row_group_size": 30, "use_dictionary": False, "compression": "zstd"}
    path = write_parquet(tmp_path / "users.parquet", {"USER_ID": user_ids(90)}, **plain)
    sound = path.read_bytes()
    column = pq.read_metadata(path).row_group(1).column(0)
    start, end = column.data_page_offset, column.data_page_offset + column.total_compressed_size
    first, last = (start, start + 8) if damaged == "header" else (end - 20, end)
    path.write_bytes(sound[:first] + b"\xff" * (last - first) + sound[last:])
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, output={"rows_per_part": 30})
        result = command("run", config)
        assert result.returncode in ({75} if service.received else {2, 75})  # it is read ahead
        assert_advice(result, result.returncode, "row group 1", "users.parquet", "write it again")
        assert not (tmp_path / "out" / "_SUCCESS").exists()
        path.write_bytes(sound)
        assert command("run", config).returncode == 0
    assert results(tmp_path / "out")["USER_ID"].to_pylist() == user_ids(90)
