"""The emulator's own endpoints, which the service lacks; for clients on loopback only.

    GET /emulator/stats?seconds=60   what was served, throttled, refused and broken on purpose,
                                     and how late the weather had answers due (`due_ms`)
    GET /emulator/weather            the weather as it is
    PUT /emulator/weather            the weather from now on, as JSON with the keys of the settings
    GET /emulator/capacity           the capacity's settings; null: unlimited
    PUT /emulator/capacity           those from now on, likewise

Nothing here is signed. Clients elsewhere get AccessDeniedException, 403.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import parse_qs

import orjson
from pydantic import BaseModel, ValidationError

from worker.emulator.api.stats import SECONDS_MAX, Dues, Stats
from worker.emulator.conditions.capacity import Capacity
from worker.emulator.conditions.settings import CapacitySettings, WeatherSettings
from worker.emulator.conditions.weather import Weather
from worker.emulator.errors import ServiceFault, invalid_input
from worker.emulator.http.message import Answer, Request

_Settings = TypeVar("_Settings", bound=BaseModel)

PREFIX: Final = "/emulator/"
"""What the paths begin with that are answered here."""


class Admin:
    """Answers under /emulator/."""

    def __init__(
        self,
        *,
        stats: Stats,
        dues: Dues,
        weather: Weather,
        capacity: Capacity,
        clock: Callable[[], float],
    ) -> None:
        self._stats = stats
        self._dues = dues
        self._weather = weather
        self._capacity = capacity
        self._clock = clock

    def answer(self, request: Request) -> Answer:
        """Answer a request. Raises ServiceFault."""
        if not _is_loopback(request.peer):
            text = f"{PREFIX} is for clients on loopback; {request.peer} is not"
            raise ServiceFault("AccessDeniedException", 403, text)
        if not _names_loopback(request.headers.get("host", "localhost")):
            # A page in a browser may have its own name resolve to loopback; its Host gives it away.
            text = f"{PREFIX} is asked for by a loopback address, such as http://127.0.0.1:8765"
            raise ServiceFault("AccessDeniedException", 403, text)
        path, _, query = request.target.partition("?")
        match request.method, path.removeprefix(PREFIX):
            case "GET", "stats":
                return Answer(status=200, content=self._report(query))
            case "GET", "weather":
                return self._now()
            case "PUT", "weather":
                settings = _parsed(WeatherSettings, request.body, "the weather")
                self._weather.change(settings, self._clock())
                self._dues.clear()
                return self._now()
            case "GET", "capacity":
                return self._capacity_now()
            case "PUT", "capacity":
                capacity = _parsed(CapacitySettings, request.body, "the capacity")
                self._capacity.change(capacity, self._clock())
                return self._capacity_now()
            case method, _:
                raise ServiceFault(
                    "UnknownOperationException", 404, f"no operation answers {method} {path}"
                )

    def _report(self, query: str) -> bytes:
        asked = parse_qs(query).get("seconds", [str(SECONDS_MAX)])[-1]
        if not (
            asked.isascii() and asked.isdecimal() and len(asked) < 4 and int(asked) <= SECONDS_MAX
        ):
            raise invalid_input(f"seconds must be 0 to {SECONDS_MAX}; it is {asked!r}")
        report = self._stats.report(int(asked))
        capacity = self._capacity.state(self._clock())
        due_ms = self._dues.report()
        now = round(time.time(), 3)
        return orjson.dumps({"now": now, **report, "due_ms": due_ms, "capacity": capacity})

    def _now(self) -> Answer:
        return Answer(status=200, content=self._weather.settings.model_dump_json().encode())

    def _capacity_now(self) -> Answer:
        settings = self._capacity.settings
        content = b"null" if settings is None else settings.model_dump_json().encode()
        return Answer(status=200, content=content)


def _parsed(model: type[_Settings], body: bytes, what: str) -> _Settings:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, each['loc'])) or what}: {each['msg']}"
            for each in error.errors(include_url=False)
        )
        raise invalid_input("; ".join(problems)) from error


def _names_loopback(host: str) -> bool:
    """Tell whether the header Host is a loopback address or localhost, with or without a port."""
    name = re.sub(r":\d*$", "", host.lower())
    return name == "localhost" or _is_loopback(name.removeprefix("[").removesuffix("]"))


def _is_loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False  # no address at all: not a client whose place is known
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
