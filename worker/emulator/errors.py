"""The emulator's two kinds of failure: it cannot start, or it refuses a request."""

from __future__ import annotations


class EmulatorError(Exception):
    """Raised when the emulator cannot start: data, port or settings are wrong.

    `what` says what is wrong and what was seen, `hint` says what to do about it.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class ServiceFault(Exception):  # noqa: N818 - a fault is the service's word for a refused request
    """Raised to answer one request with an error, in the service's own shape.

    `code` is what an SDK reports as the error's code, `status` the HTTP status, `message` the text.
    """

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message


def invalid_input(message: str) -> ServiceFault:
    """Return the fault for a value that breaks a rule (400, botocore model personalize-runtime)."""
    return ServiceFault("InvalidInputException", 400, message)


def not_found(message: str) -> ServiceFault:
    """Return the fault for an ARN that names nothing (404, botocore model personalize-runtime)."""
    return ServiceFault("ResourceNotFoundException", 404, message)


def unreadable(message: str) -> ServiceFault:
    """Return the fault for a body that cannot be read: not JSON, or a value of the wrong type."""
    return ServiceFault("SerializationException", 400, message)
