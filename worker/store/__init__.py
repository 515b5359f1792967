"""Where files live: names, locks, what appears whole or not at all; all paths of in- and output.

`base`: what a run asks of a place. `local`: a folder of this machine. `files`, `local_files`: how
input files are found and opened. `open`: which store a path means; S3 would be a second one, and
`config.values` would take its paths.
"""
