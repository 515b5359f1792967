"""Outcomes of rows, as tests write them."""

from __future__ import annotations

import json

from worker.model import Answer, Failure, Outcome

FAILURE = Failure(code="InternalFailure", message="oops", http_status=500, request_id="q")


def success(*items: str, rid: str = "RID") -> Outcome:
    listed = [{"itemId": item, "score": 0.5} for item in items]
    body = json.dumps({"itemList": listed, "recommendationId": rid}).encode()
    return Outcome(
        result=Answer(body=body, request_id="r"), attempts=2, throttles=1, sent_us=10**15,
        latency_ms=12.5,
    )  # fmt: skip


def failure() -> Outcome:
    return Outcome(result=FAILURE, attempts=3, throttles=0, sent_us=10**15, latency_ms=1.0)
