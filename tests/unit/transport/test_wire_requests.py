"""What `wire` sends is what the SDK sends: line, headers, body, signature."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.services import Request, wired
from unit.transport.messages import answering, reply
from unit.transport.transports import both, frozen_clock

from worker.codec.requests import RequestBuilder
from worker.config.model import InputColumns
from worker.model import Answer
from worker.personalize.operations import Operation

# Of one attempt of the SDK, which counts them; and one of aiohttp's own.
# The user agents differ in which of the SDKs they name: aiobotocore, or the botocore in it.
UNALIKE = {"amz-sdk-invocation-id", "amz-sdk-request", "accept", "user-agent"}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
MAPS = st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), TEXT, max_size=3)
ARNS = TEXT.map(lambda name: f"arn:aws:personalize:eu-central-1:000000000000:{name}")
COLUMNS = st.dictionaries(st.just("ITEMS"), st.lists(TEXT, max_size=3))
NAMED = {"campaignArn": ARNS, "userId": TEXT, "filterArn": ARNS, "filterValues": MAPS}
PROMOTIONS = st.fixed_dictionaries(
    {"name": TEXT, "percentPromotedItems": st.integers(1, 100)},
    optional={"filterArn": ARNS, "filterValues": MAPS},
)
BODIES = {
    Operation.GET_RECOMMENDATIONS: st.fixed_dictionaries(
        {},
        optional=NAMED
        | {
            "recommenderArn": ARNS,
            "itemId": TEXT,
            "numResults": st.integers(0, 500),
            "context": MAPS,
            "promotions": st.lists(PROMOTIONS, max_size=2),
            "metadataColumns": COLUMNS,
        },
    ),
    Operation.GET_PERSONALIZED_RANKING: st.fixed_dictionaries(
        {"campaignArn": ARNS, "userId": TEXT, "inputList": st.lists(TEXT, max_size=9)},
        optional={
            "filterArn": ARNS, "filterValues": MAPS, "context": MAPS, "metadataColumns": COLUMNS
        },
    ),
    Operation.GET_ACTION_RECOMMENDATIONS: st.fixed_dictionaries(
        {}, optional=NAMED | {"numResults": st.integers(0, 100)}
    ),
}  # fmt: skip


def alike(request: Request) -> tuple[str, dict[str, str], bytes]:
    """Return what the two have in common: all but the headers of one attempt."""
    headers = {
        name.lower(): value for name, value in request.header_list if name.lower() not in UNALIKE
    }
    assert len(headers) >= len(request.header_list) - len(UNALIKE)  # none is repeated
    return request.line, headers, request.body


async def assert_alike(bodies: list[bytes], *, prefix: str = "", **options: Any) -> None:
    """Send each body through both transports, and compare what arrives."""
    async with wired(answering(reply())) as service:
        with frozen_clock():
            async with both(service.url + prefix, **options) as transports:
                for body in bodies:
                    for transport in transports.values():
                        assert isinstance(await transport.call(body), Answer)
        assert len(service.received) == 2 * len(bodies)
        for number, body in enumerate(bodies):
            by_sdk, by_wire = service.received[2 * number :][:2]
            assert alike(by_wire) == alike(by_sdk)
            assert by_wire.body == body
            assert "Signature=" in alike(by_wire)[1]["authorization"]


@pytest.mark.parametrize("operation", Operation)
@settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_all_that_a_request_may_hold_is_sent_alike(
    operation: Operation, data: st.DataObject
) -> None:
    members = data.draw(st.lists(BODIES[operation], min_size=1, max_size=25))
    await assert_alike([orjson.dumps(each) for each in members], operation=operation)


async def test_requests_as_they_are_built_are_sent_alike() -> None:
    rows = pa.RecordBatch.from_pydict({"USER": ["1", "Zoë", "\U0001f600", '"\\\n\x7f\u2028']})
    builder = RequestBuilder(
        {"campaignArn": "arn"},
        InputColumns.model_validate({"user_id": "USER"}),
        num_results_max=500,
        input_list_max=500,
    )
    bodies = [each for each in builder.build(rows) if isinstance(each, bytes)]
    assert len(bodies) == 4
    await assert_alike(bodies)


@pytest.mark.parametrize("token", [None, "session/token+=="])
@pytest.mark.parametrize("prefix", ["", "/", "/pre/fix", "/pre%20fix/", "/a/./b/../c", "//a//b"])
async def test_credentials_and_path_prefixes_are_sent_alike(
    token: str | None, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret/+=")
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    await assert_alike([b'{"userId":"1"}'], prefix=prefix)


async def test_a_trace_of_the_environment_is_sent_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2-3")
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "app")
    await assert_alike([b'{"userId":"1"}'])
