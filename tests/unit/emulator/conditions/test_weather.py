"""Weather: fates as a pure function, and what each of them does to a client on a real socket."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from statistics import mean
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.emulator import client, emulator, post

from worker.emulator.conditions.settings import StallSettings, WeatherSettings
from worker.emulator.conditions.weather import FAIR, Fate, Weather, fate, latency_s, stalled_s

ALL_KINDS = {
    "error_shares": {"InternalFailure": 0.1, "ThrottlingException": 0.2},
    "reset_share": 0.05,
    "cut_body_share": 0.1,
    "slow_body_share": 0.2,
    "close_share": 0.3,
    "chunked_share": 0.4,
    "gzip_share": 0.5,
}
NUMBER = 20_000


def weather(**values: Any) -> WeatherSettings:
    return WeatherSettings.model_validate(values)


def test_fair_weather_does_nothing() -> None:
    assert fate(WeatherSettings(), 7) == FAIR == Fate()
    assert Weather(None, 0.0).next() is FAIR


def test_shares_are_met() -> None:
    fates = [fate(weather(**ALL_KINDS), number) for number in range(NUMBER)]
    shares = {
        0.1: [each.error == "InternalFailure" for each in fates],
        0.2: [each.error == "ThrottlingException" for each in fates],
        0.05: [each.reset for each in fates],
        0.3: [each.close for each in fates],
        0.4: [each.chunked for each in fates],
        0.5: [each.gzip for each in fates],
    }
    for share, hits in shares.items():
        assert mean(hits) == pytest.approx(share, abs=0.015)
    assert mean(each.cut for each in fates) == pytest.approx(0.1, abs=0.015)
    assert mean(each.slow_s > 0 for each in fates) == pytest.approx(0.2, abs=0.015)


def test_the_same_seed_has_the_same_fates_and_another_seed_others() -> None:
    settings = weather(**ALL_KINDS)
    fates = [fate(settings, number) for number in range(100)]
    assert fates == [fate(settings, number) for number in reversed(range(100))][::-1]
    assert fates != [fate(weather(**ALL_KINDS, seed=2), number) for number in range(100)]


def test_changing_a_share_leaves_the_others_victims_as_they_are() -> None:
    other = weather(**{**ALL_KINDS, "reset_share": 0.9})
    assert [fate(other, number).cut for number in range(500)] == [
        fate(weather(**ALL_KINDS), number).cut for number in range(500)
    ]


def test_latencies_have_the_median_and_the_tail_that_they_were_given() -> None:
    settings = weather(latency_ms_p50=20, latency_ms_p99=200)
    latencies = sorted(fate(settings, number).latency_s for number in range(NUMBER))
    assert latencies[NUMBER // 2] == pytest.approx(0.020, rel=0.05)
    assert latencies[NUMBER * 99 // 100] == pytest.approx(0.200, rel=0.1)
    assert latency_s(settings, 0.0) >= 0
    assert latency_s(weather(latency_ms_p50=20), 0.999) == 0.020


@given(
    every=st.floats(min_value=0.1, max_value=100),
    part=st.floats(min_value=0.01, max_value=0.99),
    since=st.floats(min_value=0, max_value=1000),
)
def test_a_stall_ends_with_its_period(every: float, part: float, since: float) -> None:
    stall = StallSettings(every_s=every, for_s=every * part)
    wait_s = stalled_s(stall, since)
    assert 0 <= wait_s <= stall.for_s + 1e-9
    if since % every < every - stall.for_s:
        assert wait_s == 0


def test_an_answer_that_would_come_in_a_stall_comes_at_its_end() -> None:
    now = Weather(weather(stall={"every_s": 10, "for_s": 2}), now_s=100.0)
    assert now.wait_s(0.0, 107.0) == 0
    assert now.wait_s(0.0, 109.0) == pytest.approx(1.0)
    assert now.wait_s(1.5, 107.0) == pytest.approx(3.0)
    assert now.wait_s(0.5, 110.0) == 0.5
    now.change(WeatherSettings(), 109.0)
    assert now.wait_s(0.0, 109.0) == 0


def test_numbers_begin_anew_when_the_weather_is_set() -> None:
    settings = weather(**ALL_KINDS)
    now = Weather(settings, 0.0)
    first = [now.next() for _ in range(20)]
    now.change(settings, 0.0)
    assert [now.next() for _ in range(20)] == first


@pytest.mark.parametrize(
    "wrong",
    [
        {"reset_share": 1.1},
        {"error_shares": {"InternalFailure": 0.6, "ServiceUnavailable": 0.6}},
        {"error_shares": {"AccessDeniedException": 0.1}},
        {"latency_ms_p99": 10},
        {"latency_ms_p50": 20, "latency_ms_p99": 10},
        {"stall": {"every_s": 1, "for_s": 1}},
        {"rain": 1},
    ],
)
def test_weather_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        weather(**wrong)


# On a real socket


USER = "arn:aws:personalize:us-east-1:000000000000:campaign/user-personalization"
ASKED = json.dumps({"campaignArn": USER, "userId": "u0001"}).encode()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with emulator() as found:
        yield found


def set_weather(address: str, **values: Any) -> None:
    status, _, content = post(
        address, "/emulator/weather", json.dumps(values).encode(), method="PUT"
    )
    assert status == 200, content


def ask(address: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return post(address, "/recommendations", ASKED, **headers)


@pytest.mark.parametrize(
    ("code", "status"),
    [("InternalFailure", 500), ("ServiceUnavailable", 503), ("ThrottlingException", 400)],
)
def test_boto3_sees_injected_errors_as_the_service_s(address: str, code: str, status: int) -> None:
    set_weather(address, error_shares={code: 1})
    with pytest.raises(ClientError) as caught:
        client("personalize-runtime", address).get_recommendations(campaignArn=USER, userId="u")
    response = caught.value.response
    assert response["Error"]["Code"] == code
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert len(response["ResponseMetadata"]["RequestId"]) == 36


def test_a_reset_is_a_reset_and_boto3_s_connection_error(address: str) -> None:
    set_weather(address, reset_share=1)
    with pytest.raises(ConnectionResetError):
        ask(address)
    with pytest.raises(HTTPClientError):
        client("personalize-runtime", address).get_recommendations(campaignArn=USER, userId="u")


@pytest.mark.parametrize("chunked", [0, 1])
def test_a_cut_body_ends_before_its_announced_end(address: str, chunked: int) -> None:
    set_weather(address, cut_body_share=1, chunked_share=chunked)
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(address)
    assert b"itemList" in caught.value.partial or chunked


def test_slow_chunked_and_closing_answers_are_whole(address: str) -> None:
    set_weather(address, slow_body_share=1, slow_body_s=0.05, chunked_share=1, close_share=1)
    status, headers, content = ask(address)
    assert (status, headers["transfer-encoding"], headers["connection"]) == (
        200,
        "chunked",
        "close",
    )
    assert len(json.loads(content)["itemList"]) == 25
    answer = client("personalize-runtime", address).get_recommendations(
        campaignArn=USER, userId="u0001"
    )
    assert len(answer["itemList"]) == 25


def test_gzip_is_for_clients_that_accept_it(address: str) -> None:
    set_weather(address, gzip_share=1)
    _, headers, content = ask(address, **{"Accept-Encoding": "br, GZIP;q=0.5"})
    assert headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(content))["itemList"]) == 25
    for accepted in ("identity", "gzip;q=0"):
        _, headers, content = ask(address, **{"Accept-Encoding": accepted})
        assert "content-encoding" not in headers
        assert json.loads(content)


def test_the_weather_can_be_read_and_set(address: str) -> None:
    set_weather(address, reset_share=0.25, stall={"every_s": 10, "for_s": 1})
    status, _, content = post(address, "/emulator/weather", method="GET")
    now = WeatherSettings.model_validate_json(content)
    assert (status, now.reset_share, now.stall) == (
        200,
        0.25,
        StallSettings(every_s=10, for_s=1),
    )
    wrong = b'{"reset_share": 2}'
    status, headers, content = post(address, "/emulator/weather", wrong, method="PUT")
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidInputException")
    assert "reset_share" in json.loads(content)["message"]
    status, _, _ = post(address, "/emulator/weather", b"{", method="PUT")
    assert status == 400
    assert json.loads(post(address, "/emulator/weather", method="GET")[2])["reset_share"] == 0.25


def test_the_control_plane_has_no_weather(address: str) -> None:
    set_weather(address, error_shares={"InternalFailure": 1})
    described = client("personalize", address).describe_campaign(campaignArn=USER)
    assert described["campaign"]["status"] == "ACTIVE"


def test_the_same_weather_strikes_the_same_requests_again(address: str) -> None:
    def statuses() -> list[int]:
        set_weather(address, error_shares={"ServiceUnavailable": 0.5}, seed=3)
        return [ask(address)[0] for _ in range(30)]

    first = statuses()
    assert statuses() == first
    assert set(first) == {200, 503}
    counts = json.loads(post(address, "/emulator/stats?seconds=5", method="GET")[2])
    assert counts["totals"][USER]["injected"] >= 2 * first.count(503)
