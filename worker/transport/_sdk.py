"""Transport `sdk`: aioboto3, the reference for how requests are made and answers are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from worker.aws.client import Http, TooLongError, open_client
from worker.aws.login import Login
from worker.aws.redact import redacted
from worker.aws.sdk_exceptions import SDK_ERRORS, failure_of, untrusted
from worker.model import Answer, Failure
from worker.personalize.answer_shape import SHAPES
from worker.personalize.error_codes import CONNECTION_LOST, INVALID_ANSWER, TIMED_OUT
from worker.personalize.operations import METHODS, Operation
from worker.runtime.clock import Clock
from worker.runtime.patience import Patience
from worker.transport._answers import CUT, ERROR_TYPE, is_cut_error, sound_error
from worker.transport._grown import grown
from worker.transport._outbox import Outbox
from worker.transport._sdk_http import DEPARTURE, Departure, Handler, Request
from worker.transport._sdk_reading import Reading
from worker.transport.base import SENT_BACK, Turn
from worker.transport.intake import Intake

_BODY, _IS_CUT = "_body", "_is_cut"  # no members of any answer


@asynccontextmanager
async def open_sdk(
    login: Login,
    *,
    operation: Operation,
    timeout_s: float,
    connections_max: int,
    clock: Clock,
    intake: Intake,
) -> AsyncIterator[SdkTransport]:
    """Yield the transport; the same errors as `open_client`."""
    reading = Reading(intake)
    async with open_client(
        "personalize-runtime",
        login,
        timeout_s=timeout_s,
        connections_max=connections_max,
        http=Http(Request, Handler, reading.response_class()),
    ) as client:
        yield SdkTransport(
            client, operation, login, timeout_s=timeout_s, clock=clock, reading=reading
        )


class SdkTransport:
    """Calls one operation through a client of the SDK, which does everything but read the answer.

    The answer's body is taken before the SDK parses it, so that all transports end in the same
    bytes and one decoder serves them all. It also saves most of the SDK's time per call.
    """

    def __init__(
        self,
        client: Any,
        operation: Operation,
        login: Login,
        *,
        timeout_s: float,
        clock: Clock,
        reading: Reading | None = None,
    ) -> None:
        self._reading = reading or Reading(Intake())
        self._login = login
        self._shape = SHAPES[operation]
        self._timeout_s = timeout_s
        self._clock = clock
        self._outbox = Outbox(clock)
        self._calls: set[Departure] = set()
        self._is_called_off = False
        events = client.meta.events
        events.register("before-parse.personalize-runtime", _keep_body)
        events.register("before-call.personalize-runtime", _send_compact)
        self._method: Callable[..., Awaitable[dict[str, Any]]] = getattr(client, METHODS[operation])

    async def call(self, body: bytes, turn: Turn | None = None) -> Answer | Failure:
        """See Transport.call."""
        while not self._is_called_off:
            patience = Patience(self._timeout_s, self._clock)
            departure = Departure(turn or self._outbox, patience)
            DEPARTURE.set(departure)
            self._calls.add(departure)
            try:
                async with patience:
                    with self._reading.timed_by(patience):
                        result = await self._call(orjson.loads(body))
            except TimeoutError:
                if departure.is_sent_back:
                    return SENT_BACK
                what = "whole answer" if departure.has_left else "connection"
                return Failure(TIMED_OUT, f"no {what} within {self._timeout_s} s")
            finally:
                self._calls.discard(departure)
                departure.end()
            if departure.is_sent_back:
                return SENT_BACK
            if not departure.is_stale:
                return result
        return SENT_BACK

    def call_off(self) -> None:
        """See ConnectingTransport.call_off."""
        self._is_called_off = True
        for departure in self._calls:
            departure.call_off()

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        """See Transport.renew."""
        return await self._login.renew(failure, since_s=since_s)

    async def _call(self, members: dict[str, Any]) -> Answer | Failure:
        try:
            answer = await self._method(**members)
        except aiohttp.ClientError as error:
            why = str(error) or type(error).__name__
            return Failure(CONNECTION_LOST, redacted(f"the connection ended: {why}"))
        except SDK_ERRORS as error:
            cause = getattr(error, "kwargs", {}).get("error")
            if isinstance(cause, aiohttp.ClientConnectorCertificateError):
                raise untrusted(error) from None
            if isinstance(cause, TooLongError):
                return Failure(INVALID_ANSWER, str(cause))
            if isinstance(cause, aiohttp.ClientOSError) and not isinstance(
                cause, aiohttp.ClientConnectorError
            ):  # the SDK says that it could not connect, but it was
                return Failure(CONNECTION_LOST, redacted(f"the connection ended: {cause}"))
            if (getattr(error, "response", None) or {}).get(_IS_CUT):
                return CUT
            return failure_of(error)
        metadata = answer["ResponseMetadata"]
        status = metadata["HTTPStatusCode"]
        return await grown(
            answer[_BODY],
            shape=self._shape,
            status=status,
            encoding=metadata["HTTPHeaders"].get("content-encoding"),
            request_id=metadata.get("RequestId"),
            ends_with_connection=_ends_with_connection(metadata["HTTPHeaders"], status),
            intake=self._reading.intake,
        )


def _send_compact(params: dict[str, Any], **_: Any) -> None:
    """Send the bytes that the request was built with: the SDK would put spaces and escapes in."""
    params["body"] = orjson.dumps(orjson.loads(params["body"]))


def _ends_with_connection(headers: Mapping[str, str], status: int) -> bool:
    """Return whether an answer with these headers has no length, and ends with its connection."""
    return not (
        status in (204, 304) or "content-length" in headers or "transfer-encoding" in headers
    )


def _keep_body(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Give the SDK an empty object to parse, and the caller the body (event `before-parse`).

    An error's body stays if it is sound: it says which error this is.
    """
    if response_dict["status_code"] < 300:
        customized_response_dict[_BODY] = response_dict["body"]
        response_dict["body"] = b"{}"
    else:
        headers, status = response_dict["headers"], response_dict["status_code"]
        encoding = headers.get("content-encoding")
        if _ends_with_connection(headers, status):
            error_type = headers.get(ERROR_TYPE.decode())
            customized_response_dict[_IS_CUT] = is_cut_error(response_dict["body"], error_type)
        response_dict["body"] = sound_error(response_dict["body"], encoding=encoding)
