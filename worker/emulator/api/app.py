"""Routes: what answers a request, after weather, signature and capacity had their say.

The runtime speaks REST-JSON (botocore model personalize-runtime): three POST paths, the error's
code in the header x-amzn-ErrorType and its message in the body. The control plane speaks JSON 1.1
(botocore model personalize): POST / with X-Amz-Target, the code in the body's __type as well.

In this order a runtime request is reset, refused for its signature, given an injected error,
throttled, and checked. A request that names a resource which exists counts towards its capacity,
whether it is valid or not; one that is reset, refused for its signature or given an error does not.
The control plane is signed, too, but has neither weather nor capacity.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import orjson

from worker.emulator.api.admin import PREFIX, Admin
from worker.emulator.api.answer import Answers
from worker.emulator.api.control import TARGET_PREFIX, Control
from worker.emulator.api.stats import Dues, Outcome, Stats
from worker.emulator.api.updates import Updates
from worker.emulator.conditions.capacity import Capacity
from worker.emulator.conditions.weather import FAIR, INJECTED_STATUS, Fate, Weather
from worker.emulator.errors import ServiceFault
from worker.emulator.http.message import JSON_1_1, REST_JSON, Answer, Request, refusal
from worker.emulator.http.signature import Signatures

_log = logging.getLogger("worker.emulator")
_NO_RESOURCE: Final = "none"


class Application:
    """Answers requests; `handle` is what http/connection.py calls."""

    def __init__(
        self,
        answers: Answers,
        control: Control,
        *,
        signatures: Signatures,
        capacity: Capacity,
        updates: Updates,
        weather: Weather,
        arns: frozenset[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runtime: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
            "/recommendations": ("GetRecommendations", answers.get_recommendations),
            "/personalize-ranking": ("GetPersonalizedRanking", answers.get_personalized_ranking),
            "/action-recommendations": (
                "GetActionRecommendations",
                answers.get_action_recommendations,
            ),
        }
        self._control = control
        self._signatures = signatures
        self._capacity = capacity
        self._updates = updates
        self._weather = weather
        self._arns = arns
        self._clock = clock
        self._stats, self._dues = Stats(), Dues()
        self._admin = Admin(
            stats=self._stats, dues=self._dues, weather=weather, capacity=capacity, clock=clock
        )

    def handle(self, request: Request) -> tuple[Answer, Fate, float]:
        """Return the answer, its fate, and the seconds to wait before it is sent."""
        fate, wait_s = FAIR, 0.0

        def answered() -> Answer:
            nonlocal fate, wait_s
            answer, fate, wait_s = self._handled(request)
            return answer

        # A bug anywhere fails one request; the connection and the others on it go on.
        return _guarded(answered, REST_JSON), fate, wait_s

    def _handled(self, request: Request) -> tuple[Answer, Fate, float]:
        path = request.target.partition("?")[0]
        if request.method == "POST" and path in self._runtime:
            return self._answer_runtime(request, *self._runtime[path])
        if request.method == "POST" and path == "/":
            return _guarded(lambda: self._answer_control(request), JSON_1_1), FAIR, 0.0
        if path.startswith(PREFIX):
            self._updates.settle(self._clock())  # an update that is due shows in the report
            return _guarded(lambda: self._admin.answer(request), REST_JSON), FAIR, 0.0
        text = f"no operation answers {request.method} {path}"
        return refusal(ServiceFault("UnknownOperationException", 404, text)), FAIR, 0.0

    def _answer_control(self, request: Request) -> Answer:
        target = request.headers.get("x-amz-target", "")
        self._signatures.verify(request, target.removeprefix(TARGET_PREFIX))
        content = self._control.answer(target, request.body)
        return Answer(status=200, content=content, media_type=JSON_1_1)

    def _answer_runtime(
        self, request: Request, name: str, operation: Callable[[bytes], bytes]
    ) -> tuple[Answer, Fate, float]:
        now_s = self._clock()
        fate = self._weather.next()
        arn = self._named(request.body)
        outcome = Outcome.SERVED

        def answered() -> Answer:
            """Answer, and note at each step what a fault there would count as."""
            nonlocal outcome
            outcome = Outcome.REFUSED
            self._signatures.verify(request, name)
            if fate.error is not None:
                outcome = Outcome.INJECTED
                is_throttle = fate.error == "ThrottlingException"
                status = self._throttle_status() if is_throttle else INJECTED_STATUS[fate.error]
                raise ServiceFault(fate.error, status, "the emulator's weather has it so")
            self._updates.settle(now_s)
            throttled = self._capacity.refused(arn, now_s)
            if throttled is not None:
                outcome = Outcome.THROTTLED
                raise ServiceFault("ThrottlingException", self._throttle_status(), throttled)
            content = operation(request.body)
            outcome = Outcome.SERVED
            return Answer(status=200, content=content)

        if fate.reset:
            answer, outcome = Answer(status=500, content=b""), Outcome.INJECTED
        else:
            answer = _guarded(answered, REST_JSON)
        self._stats.count(arn, outcome, time.time())
        wait_s = self._weather.wait_s(fate.latency_s, now_s)
        self._dues.note(wait_s)
        return answer, fate, wait_s

    def _throttle_status(self) -> int:
        settings = self._capacity.settings  # which may have been set since the last throttle
        return settings.throttle_status if settings else INJECTED_STATUS["ThrottlingException"]

    def _named(self, body: bytes) -> str:
        """Return the ARN of the resource that a runtime request names, if it exists."""
        try:
            members = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _NO_RESOURCE
        if not isinstance(members, dict):
            return _NO_RESOURCE
        arn = members.get("campaignArn") or members.get("recommenderArn")
        return arn if isinstance(arn, str) and arn in self._arns else _NO_RESOURCE


def _guarded(answered: Callable[[], Answer], media_type: str) -> Answer:
    """Return an answer, or the refusal that comes instead. A bug fails one request, no more."""
    try:
        return answered()
    except ServiceFault as fault:
        return refusal(fault, media_type)
    except Exception:  # noqa: BLE001 - whatever it is, one request fails, not the server
        _log.exception("a bug in the emulator, answered with InternalFailure")
        bug = ServiceFault("InternalFailure", 500, "the emulator failed; its log says how")
        return refusal(bug, media_type)
