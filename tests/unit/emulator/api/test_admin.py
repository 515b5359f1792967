"""Who may ask the emulator about itself, and odd input that must do no harm."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson
import pytest
from pydantic import ValidationError
from support.emulator import DECLARED, emulator, post

from worker.emulator.api.admin import _names_loopback
from worker.emulator.api.answer import Answers
from worker.emulator.api.stats import DUES_MAX, Dues
from worker.emulator.conditions.settings import StallSettings, WeatherSettings
from worker.emulator.conditions.weather import LATENCY_MAX_S, latency_s
from worker.emulator.data.datasets import load
from worker.emulator.errors import EmulatorError
from worker.emulator.http.message import Request
from worker.emulator.resources import Resources
from worker.emulator.server import assembled, serve
from worker.emulator.settings import EmulatorSettings


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with emulator() as found:
        yield found


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8765", 200), ("localhost", 200), ("[::1]:80", 200), ("evil.example", 403)],
)
def test_only_loopback_names_may_ask(address: str, host: str, status: int) -> None:
    """A page whose name resolves to loopback shows its name in Host."""
    assert post(address, "/emulator/weather", method="GET", host=host)[0] == status


@pytest.mark.parametrize(
    ("authority", "host", "status"),
    [
        ("127.0.0.1:8765", "evil.example", 200),
        ("evil.example", "127.0.0.1:8765", 403),
        ("evil.example:80", "localhost", 403),
    ],
)
def test_the_authority_of_an_absolute_target_is_the_name_that_counts(
    address: str, authority: str, host: str, status: int
) -> None:
    target = f"http://{authority}/emulator/weather"
    assert post(address, target, method="GET", host=host)[0] == status


@pytest.mark.parametrize(
    "host", ["localhost:80,evil.example", "evil.example@localhost", "[", "[::1", "[localhost]", ""]
)
def test_a_name_that_is_none_may_not_ask(host: str) -> None:
    assert not _names_loopback(host)


@pytest.mark.parametrize("seconds", ["601", "-1", "x", "0" * 5000, "0000006001"])
def test_a_span_that_is_none_is_refused(address: str, seconds: str) -> None:
    status, _, body = post(address, f"/emulator/stats?seconds={seconds}", method="GET")
    assert (status, b"seconds must be" in body) == (400, True)


def test_the_widest_weather_has_an_end() -> None:
    settings = WeatherSettings(latency_ms_p50=0.001, latency_ms_p99=600_000)
    assert latency_s(settings, 1 - 2**-53) == LATENCY_MAX_S
    with pytest.raises(ValidationError, match=r"0\.001 at least"):
        WeatherSettings(latency_ms_p50=1e-300, latency_ms_p99=600_000)


def test_shares_that_add_to_one_are_allowed() -> None:
    shares = {"InternalFailure": 0.33, "ServiceUnavailable": 0.56, "ThrottlingException": 0.11}
    assert WeatherSettings.model_validate({"error_shares": shares}).error_shares


@pytest.mark.parametrize("key", ["secret_access_key", "secret_acces_key"])
def test_a_wrong_setting_gives_no_secret_away(key: str) -> None:
    credentials = [{"access_key_id": "AKIA0000000000000000", key: 123456789}]
    with pytest.raises(ValidationError) as caught:
        EmulatorSettings.model_validate({"credentials": credentials})
    assert "123456789" not in str(caught.value)


def test_http_1_0_is_not_told_to_continue(address: str) -> None:
    """RFC 9110, 10.1.1: a server ignores the expectation of an HTTP/1.0 request."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(
            b"POST /recommendations HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


async def test_a_host_that_is_no_name_is_an_error_with_advice() -> None:
    with pytest.raises(EmulatorError, match="cannot listen on") as caught:
        await serve(EmulatorSettings(host="a..b", port=0), on_ready=print)
    assert "emulator.host" in caught.value.hint


def test_what_is_the_emulator_s_own_is_for_loopback_only() -> None:
    answers = Answers(DECLARED, load(DECLARED), Resources(DECLARED))
    application = assembled(DECLARED, answers, Resources(DECLARED))
    peers = {
        "127.0.0.1": 200,
        "127.9.9.9": 200,
        "::1": 200,
        "::ffff:127.0.0.1": 200,
        "192.0.2.1": 403,
        "::ffff:192.0.2.1": 403,
        "fe80::1%eth0": 403,
        "": 403,
    }
    for peer, status in peers.items():
        request = Request(method="GET", target="/emulator/stats", peer=peer)
        assert application.handle(request)[0].status == status


def test_the_capacity_can_be_set_while_it_runs() -> None:
    with emulator() as address:
        where = "/emulator/capacity"
        assert post(address, where, method="GET")[2] == b"null"
        status, _, body = post(address, where, b'{"campaign_tps_max": 7}', method="PUT")
        assert (status, json.loads(body)["campaign_tps_max"]) == (200, 7)
        assert post(address, where, method="GET")[2] == body
        status, _, body = post(address, where, b'{"campaign_tps": 7}', method="PUT")
        assert (status, b"campaign_tps: Extra" in body) == (400, True)


def test_throttles_have_the_status_that_was_set_last() -> None:
    storm = b'{"error_shares": {"ThrottlingException": 1}}'
    with emulator() as address:
        assert post(address, "/emulator/weather", storm, method="PUT")[0] == 200
        assert post(address, "/recommendations", b"{}")[0] == 400
        assert (
            post(address, "/emulator/capacity", b'{"throttle_status": 429}', method="PUT")[0] == 200
        )
        assert post(address, "/recommendations", b"{}")[0] == 429


def test_the_latencies_that_were_due_are_told_until_the_weather_changes() -> None:
    moments = [0.0]
    answers = Answers(DECLARED, load(DECLARED), Resources(DECLARED))
    weather = WeatherSettings(latency_ms_p50=20, stall=StallSettings(every_s=10, for_s=1))
    settings = DECLARED.model_copy(update={"weather": weather})
    application = assembled(settings, answers, Resources(settings), clock=lambda: moments[-1])
    call = Request(method="POST", target="/recommendations", body=b"{}", peer="127.0.0.1")
    for now_s in (0.0, 3.0, 9.2):
        moments.append(now_s)
        application.handle(call)
    ask = Request(method="GET", target="/emulator/stats", peer="127.0.0.1")
    due_ms = orjson.loads(application.handle(ask)[0].content)["due_ms"]
    above = dict.fromkeys(("p90", "p95", "p99", "p999", "max"), 800)
    assert due_ms == {"requests": 3, "p50": 20, **above}
    change = Request(method="PUT", target="/emulator/weather", body=b"{}", peer="127.0.0.1")
    assert application.handle(change)[0].status == 200
    assert orjson.loads(application.handle(ask)[0].content)["due_ms"] == {"requests": 0}


def test_the_latest_latencies_are_remembered() -> None:
    dues = Dues()
    for number in range(DUES_MAX + 10):
        dues.note(number)
    report = dues.report()
    assert (report["requests"], report["max"]) == (DUES_MAX, (DUES_MAX + 9) * 1000)
    assert report["p50"] == (10 + DUES_MAX / 2 - 1) * 1000
