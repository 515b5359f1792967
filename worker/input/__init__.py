"""Parquet in: which files, which columns, which rows, cut into Chunks.

`source`: footers to Chunks. `_schema`, `_conform`, `_dictionaries`: columns that differ from file
to file. `where_parser`, `condition`, `_where_filter`: rows that are selected wrongly. `reader`,
`_row_group`: rows that are read. Where files lie and how they are found is in `store`.
"""
