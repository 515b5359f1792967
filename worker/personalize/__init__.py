"""Facts about the service, without I/O: what an error code means, limits, operations.

`error_codes`: the one table, from code or status to verdict, hint and exit code (a 403 that is
tried again). `limits`: a row that is `InvalidRow`. `rejections`: a run that is refused as a whole.
"""
