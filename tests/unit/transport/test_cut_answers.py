"""An answer that ends before its end is lost, however it says where that is: it is retried."""

from __future__ import annotations

import gzip
import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.services import wired
from unit.transport.messages import chunked, reply
from unit.transport.test_wire_outcomes import once
from unit.transport.transports import opened

from worker.model import Answer, Failure
from worker.transport._answers import is_cut

BODY = b'{"itemList":[{"itemId":"a\\"}","score":0.5}],"recommendationId":"\xc3\xbc"}'
UNTIL_THE_END = {
    "HTTP/1.1": b"HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n",
    "said to close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
}
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
ERROR = b"HTTP/1.0 400 Bad Request\r\n\r\n"
TYPED = b"HTTP/1.0 400 Bad Request\r\nx-amzn-ErrorType: ThrottlingException\r\n\r\n"
LOST = {
    **{
        f"{name}, {size} bytes": head + BODY[:size]
        for name, head in UNTIL_THE_END.items()
        for size in (0, 1, 12, len(BODY) - 3, len(BODY) - 1)
    },
    "white space": UNTIL_THE_END["HTTP/1.0"] + b" \r\n",
    "with a length": reply(BODY)[:-1],
    "in chunks": chunked(BODY)[:-9],
    "in gzip": GZIP + gzip.compress(BODY)[:-9],
    "in gzip, of nothing": GZIP,
    "an error whose code would have come": ERROR + b'{"__type":"Throttl',
}
NOT_CUT = {
    "a page": (UNTIL_THE_END["HTTP/1.0"] + b"<html></html>", "InvalidAnswer"),
    "no JSON": (UNTIL_THE_END["HTTP/1.0"] + b'{"itemList": nonsense}', "InvalidAnswer"),
    "another object": (UNTIL_THE_END["HTTP/1.0"] + b'{"message":"Forbidden"}', "InvalidAnswer"),
    "an error with its code": (TYPED + b'{"message":"Ra', "ThrottlingException"),
}
every_transport = pytest.mark.parametrize("wanted", ["wire", "sdk"])
Wanted = Literal["wire", "sdk"]


async def result_of(raw: bytes, wanted: Wanted) -> Answer | Failure:
    """Return what a call ends with that is answered so, with the end of the connection after it."""
    async with wired(once(raw)) as service, opened(service.url, wanted) as transport:
        return await transport.call(b'{"userId":"1"}')


@every_transport
@pytest.mark.parametrize("name", LOST)
async def test_an_answer_that_is_cut_is_lost(name: str, wanted: Wanted) -> None:
    result = await result_of(LOST[name], wanted)
    assert isinstance(result, Failure)
    assert result.code == "ConnectionLost"


@every_transport
@pytest.mark.parametrize("head", UNTIL_THE_END.values())
async def test_an_answer_that_ends_with_its_connection_is_one(head: bytes, wanted: Wanted) -> None:
    assert await result_of(head + BODY, wanted) == Answer(BODY, None)


@every_transport
@pytest.mark.parametrize("name", NOT_CUT)
async def test_what_is_whole_and_no_answer_is_not_taken_for_cut(name: str, wanted: Wanted) -> None:
    raw, code = NOT_CUT[name]
    result = await result_of(raw, wanted)
    assert isinstance(result, Failure)
    assert result.code == code


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values), st.booleans(), st.data())
def test_every_beginning_of_an_object_is_cut_and_the_whole_is_not(
    members: dict[str, Any], is_ascii: bool, data: st.DataObject
) -> None:
    body = json.dumps(members, ensure_ascii=is_ascii).encode(errors="surrogatepass")
    assert not is_cut(body)
    assert is_cut(body[: data.draw(st.integers(0, len(body) - 1))])
