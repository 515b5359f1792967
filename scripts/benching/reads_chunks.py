"""What mode `reading` measures: reads all chunks of an input in one way, and prints the times.

Run as a program of its own, so that its memory is its own: python reads_chunks.py INPUT ROWS WAY
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq

from worker.config.model import Config
from worker.job import Job, open_job
from worker.model import Chunk
from worker.pipeline.forecast import reader_to_count

ARN = "arn:aws:personalize:us-east-1:000000000000:campaign/user-personalization"


def main(path: str, rows_per_part: str, way: str) -> None:
    """Print the seconds that one of the first chunks took, one of the last, and all, as JSON."""
    values = {
        "target": {"operation": "GetRecommendations", "campaign_arn": ARN},
        "input": {"path": path, "keep": ["WIDE"], "columns": {"user_id": "USER_ID"}},
        "output": {"path": f"{path}.out", "rows_per_part": int(rows_per_part)},
    }
    job = open_job(Config.model_validate(values))
    read, seconds = WAYS[way](job), list[float]()
    for chunk in job.source.chunks:
        begun_s = time.perf_counter()
        rows = sum(batch.num_rows for batch in read(chunk))
        seconds.append(time.perf_counter() - begun_s)
        if rows != chunk.rows:
            raise RuntimeError(f"{rows} rows of {chunk.rows}")
    few = max(1, len(seconds) // 12)
    print(json.dumps([median(seconds[:few]), median(seconds[-few:]), sum(seconds)]))


Read = Callable[[Chunk], Iterator[pa.RecordBatch]]


def _without_reader(job: Job) -> Read:
    """Read as Arrow does of itself: each chunk opens its row group and begins at its start."""

    def read(chunk: Chunk) -> Iterator[pa.RecordBatch]:
        for piece in chunk.pieces:
            left, skip = piece.rows, piece.offset
            with pq.ParquetFile(piece.path) as file:
                for batch in file.iter_batches(job.batch_rows, row_groups=[piece.row_group]):
                    kept = batch.slice(skip, left)
                    skip, left = max(0, skip - batch.num_rows), left - kept.num_rows
                    yield kept
                    if not left:
                        break

    return read


WAYS: dict[str, Callable[[Job], Read]] = {
    "requests": lambda job: job.reader(batches=job.batches_per_read).read,
    "failed rows": lambda job: job.reader_of_all().read,
    "forecast": lambda job: reader_to_count(job).read,
    "Arrow alone": _without_reader,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
