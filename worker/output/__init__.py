"""Parquet out, and what is kept until then: parts, failed rows, the spool, `_SUCCESS`.

`part_writer`, `row_groups`: a part and its `_errors/`. `spool`, `spool_format`, `recalled`: answers
that a kill must not lose. `run_folder`, `same_input`: whose run a folder holds. `books`, `summary`:
counts that are wrong. How a file gets its name is in `store`.
"""
