"""What botocore's service models say about a request: types, required members, lengths, patterns.

An SDK checks types, required members and minimums before it sends; maximums and patterns it
leaves to the service. Here all of them are enforced, by walking the model that AWS publishes, so
that not one limit of it is typed in by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from botocore.loaders import Loader
from botocore.model import ServiceModel

from worker.emulator.errors import invalid_input, unreadable

Check = Callable[[Any, str], None]
"""Takes a value and its place in the request; raises ServiceFault."""

_JSON_TYPES: Final[dict[type, str]] = {
    bool: "a boolean",
    dict: "an object",
    float: "a number with a fraction",
    int: "a whole number",
    list: "a list",
    str: "a string",
    type(None): "null",
}


class Contract:
    """The operations of one service, as botocore describes them.

    `service` is botocore's name for it, such as personalize-runtime.
    """

    def __init__(self, service: str, operations: tuple[str, ...]) -> None:
        model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
        self._shapes = {name: model.operation_model(name).input_shape for name in operations}
        self._checks = {name: _members(shape) for name, shape in self._shapes.items()}

    def request(self, operation: str, body: bytes) -> dict[str, Any]:
        """Return the operation's members in a JSON body, each checked; no body is an empty object.

        Members that the model lacks are left out, as services with this protocol ignore them, and
        so are members that are null. Raises ServiceFault.
        """
        try:
            value = orjson.loads(body) if body else {}
        except orjson.JSONDecodeError as error:
            raise unreadable(f"the request body is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise unreadable(f"the request body must be an object, not {_JSON_TYPES[type(value)]}")
        checks = self._checks[operation]
        members = {
            name: member for name, member in value.items() if name in checks and member is not None
        }
        missing = [name for name in self._shapes[operation].required_members if name not in members]
        if missing:
            raise invalid_input(f"the request lacks {', '.join(missing)}")
        for name, member in members.items():
            checks[name](member, name)
        return members


def _members(shape: Any) -> Mapping[str, Check]:
    return {name: _check(member) for name, member in shape.members.items()}


def _check(shape: Any) -> Check:
    """Return the check of a shape; the model has no recursive ones."""
    return _CHECKS[shape.type_name](shape)


def _string(shape: Any) -> Check:
    bounded = _bounds(shape, "characters")
    source = shape.metadata.get("pattern")
    pattern = None if source is None else re.compile(source.replace(r"\p{ASCII}", r"[\x00-\x7f]"))

    def check(value: Any, where: str) -> None:
        _expect(value, str, where)
        bounded(len(value), where)
        if pattern is not None and not pattern.fullmatch(value):
            raise invalid_input(f"{where} must match {pattern.pattern}; it is {value!r}")

    return check


def _integer(shape: Any) -> Check:
    bounded = _bounds(shape, None)

    def check(value: Any, where: str) -> None:
        _expect(value, int, where)
        bounded(value, where)

    return check


def _boolean(_shape: Any) -> Check:
    return lambda value, where: _expect(value, bool, where)


def _list(shape: Any) -> Check:
    bounded = _bounds(shape, "members")
    each = _check(shape.member)

    def check(value: Any, where: str) -> None:
        _expect(value, list, where)
        bounded(len(value), where)
        for position, member in enumerate(value):
            each(member, f"{where}[{position}]")

    return check


def _map(shape: Any) -> Check:
    bounded = _bounds(shape, "entries")
    each_key, each_value = _check(shape.key), _check(shape.value)

    def check(value: Any, where: str) -> None:
        _expect(value, dict, where)
        bounded(len(value), where)
        for key, member in value.items():
            each_key(key, f"a key of {where}")
            each_value(member, f"{where}.{key}")

    return check


def _structure(shape: Any) -> Check:
    checks = _members(shape)

    def check(value: Any, where: str) -> None:
        _expect(value, dict, where)
        for name, member in value.items():
            if name in checks and member is not None:
                checks[name](member, f"{where}.{name}")

    return check


_CHECKS: Final[dict[str, Callable[[Any], Check]]] = {
    "boolean": _boolean,
    "string": _string,
    "integer": _integer,
    "list": _list,
    "map": _map,
    "structure": _structure,
}


def _expect(value: Any, kind: type, where: str) -> None:
    if type(value) is not kind:  # not isinstance: to Python, true is an int
        raise unreadable(f"{where} must be {_JSON_TYPES[kind]}, not {_JSON_TYPES[type(value)]}")


def _bounds(shape: Any, unit: str | None) -> Callable[[int, str], None]:
    """Return the check of a shape's size, in `unit`, or of its value when there is none."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    verb, have, suffix = ("be", "is", "") if unit is None else ("have", "has", f" {unit}")

    def check(size: int, where: str) -> None:
        if low is not None and size < low:
            raise invalid_input(f"{where} must {verb} at least {low}{suffix}; it {have} {size}")
        if high is not None and size > high:
            raise invalid_input(f"{where} must {verb} at most {high}{suffix}; it {have} {size}")

    return check
