"""How Parquet files are opened: read page by page, timestamps as Spark and DuckDB read them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

_READ_BUFFER_BYTES = 1 << 20


def open_parquet(file: pa.NativeFile) -> pq.ParquetFile:
    """Open a file to be read in pages: Arrow else reads a row group's columns whole, and at once.

    INT96 timestamps, Spark's default for long, are microseconds: as nanoseconds, 64 bits end in
    the year 2262. To be closed with `force`, with the file. Raises what Arrow raises.
    """
    return pq.ParquetFile(
        file,
        buffer_size=_READ_BUFFER_BYTES,
        pre_buffer=False,
        coerce_int96_timestamp_unit="us",
    )
