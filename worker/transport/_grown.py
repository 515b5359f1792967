"""Answers that came compressed, which nobody asked for, grow as far as there is room."""

from __future__ import annotations

from worker.model import Answer, Failure
from worker.personalize.answer_shape import AnswerShape
from worker.transport._answers import EncodedError, answer_of, decoded, undecodable
from worker.transport.intake import Intake, WaitingFlow


async def grown(
    body: bytes,
    *,
    shape: AnswerShape,
    status: int,
    encoding: str | None,
    request_id: str | None,
    ends_with_connection: bool,
    intake: Intake,
) -> Answer | Failure:
    """Return the answer in the body of an HTTP 2xx, its Content-Encoding undone, or why none."""
    if encoding:
        pieces = []
        try:
            with WaitingFlow(intake) as flow:
                for piece in decoded(body, encoding):
                    pieces.append(piece)
                    if not flow.grow_now(len(piece)):
                        await flow.room()
                body = b"".join(pieces)
        except EncodedError as error:
            return undecodable(error, status=status, request_id=request_id)
    return answer_of(
        body,
        shape=shape,
        status=status,
        request_id=request_id,
        ends_with_connection=ends_with_connection,
    )
