"""One HTTP attempt: connections, requests as bytes, signatures, answers as bytes.

`choose`: `wire` or `sdk`. `wire`, `_pool`, `_http1`, `_outbox`: own connections. `_sigv4`:
signatures. `_sdk`, `_sdk_http`: aioboto3. `_answers`: what is an answer, and what an error.
`intake`: bytes on their way.
"""
