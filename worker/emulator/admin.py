"""The emulator's own endpoints, which the service lacks; for clients on loopback only.

    GET /emulator/stats?seconds=60   what was served, throttled, refused and broken on purpose
    GET /emulator/weather            the weather as it is
    PUT /emulator/weather            the weather from now on, as JSON with the keys of the settings

Nothing here is signed. Clients elsewhere get AccessDeniedException, 403.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

import orjson
from pydantic import ValidationError

from worker.emulator.capacity import Capacity
from worker.emulator.conditions import WeatherSettings
from worker.emulator.errors import ServiceFault, invalid_input
from worker.emulator.message import Answer, Request
from worker.emulator.stats import SECONDS_MAX, Stats
from worker.emulator.weather import Weather

PREFIX: Final = "/emulator/"
"""What the paths begin with that are answered here."""


class Admin:
    """Answers under /emulator/."""

    def __init__(
        self, *, stats: Stats, weather: Weather, capacity: Capacity, clock: Callable[[], float]
    ) -> None:
        self._stats = stats
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
                self._set(request.body)
                return self._now()
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
        return orjson.dumps({"now": round(time.time(), 3), **report, "capacity": capacity})

    def _set(self, body: bytes) -> None:
        try:
            settings = WeatherSettings.model_validate_json(body)
        except ValidationError as error:
            problems = (
                f"{'.'.join(map(str, each['loc'])) or 'the weather'}: {each['msg']}"
                for each in error.errors(include_url=False)
            )
            raise invalid_input("; ".join(problems)) from error
        self._weather.change(settings, self._clock())

    def _now(self) -> Answer:
        return Answer(status=200, content=self._weather.settings.model_dump_json().encode())


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
