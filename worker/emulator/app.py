"""The wire: routes, headers and errors in the service's shapes, over ASGI.

The runtime speaks REST-JSON (botocore model personalize-runtime): three POST paths, the error's
code in the header x-amzn-ErrorType and its message in the body. The control plane speaks JSON 1.1
(botocore model personalize): POST / with X-Amz-Target, the code in the body's __type as well.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from worker.emulator.answer import Answers
from worker.emulator.control import Control
from worker.emulator.errors import ServiceFault

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""More than any request within the model's limits needs, even with every character escaped."""

_log = logging.getLogger("worker.emulator")
_Endpoint = Callable[[Request], Awaitable[Response]]
_REST_JSON: Final = "application/json"
_JSON_1_1: Final = "application/x-amz-json-1.1"


def application(answers: Answers, control: Control) -> Starlette:
    """Return the ASGI application that serves the runtime and the control plane."""

    def describe(request: Request, body: bytes) -> bytes:
        return control.answer(request.headers.get("x-amz-target", ""), body)

    def runtime(path: str, operation: Callable[[bytes], bytes]) -> Route:
        return _route(path, lambda _request, body: operation(body), media_type=_REST_JSON)

    return Starlette(
        routes=[
            runtime("/recommendations", answers.get_recommendations),
            runtime("/personalize-ranking", answers.get_personalized_ranking),
            runtime("/action-recommendations", answers.get_action_recommendations),
            _route("/", describe, media_type=_JSON_1_1),
        ],
        exception_handlers={404: _no_operation, 405: _no_operation},
    )


def _route(path: str, operation: Callable[[Request, bytes], bytes], *, media_type: str) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            content = operation(request, await _read(request))
        except ServiceFault as fault:
            return _refusal(fault, media_type=media_type)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        except Exception:  # noqa: BLE001 - whatever it is, one request fails, not the server
            _log.exception("a bug in the emulator, answered with InternalFailure")
            bug = ServiceFault("InternalFailure", 500, "the emulator failed; its log says how")
            return _refusal(bug, media_type=media_type)
        return _response(content, 200, media_type=media_type)

    return Route(path, endpoint, methods=["POST"])


async def _read(request: Request) -> bytes:
    """Return the request's body. Raises ServiceFault as soon as it is longer than the maximum."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise ServiceFault(
                "RequestEntityTooLargeException",
                413,
                f"the request body is longer than {BODY_BYTES_MAX} bytes",
            )
        chunks.append(chunk)
    return b"".join(chunks)


async def _no_operation(request: Request, _error: Exception) -> Response:
    message = f"no operation answers {request.method} {request.url.path}"
    fault = ServiceFault("UnknownOperationException", 404, message)
    return _refusal(fault, media_type=_REST_JSON)


def _refusal(fault: ServiceFault, *, media_type: str) -> Response:
    content = {"message": fault.message}
    if media_type == _JSON_1_1:
        content["__type"] = fault.code
    response = _response(orjson.dumps(content), fault.status, media_type=media_type)
    response.headers["x-amzn-ErrorType"] = fault.code
    return response


def _response(content: bytes, status: int, *, media_type: str) -> Response:
    headers = {"x-amzn-RequestId": str(uuid4()), "content-type": media_type}
    return Response(content, status, headers)
