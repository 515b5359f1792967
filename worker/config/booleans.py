"""Where a config has true or false for a number: pydantic would take them for 1 and 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel


def booleans_for_numbers(values: Mapping[str, Any], model: type[BaseModel]) -> list[str]:
    """Name each key of `values`, which `model` has taken, that is a boolean and not to be one."""
    return list(_misplaced(values, model, ""))


def _misplaced(values: Mapping[str, Any], model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, value in values.items():
        if name in model.model_fields:
            yield from _of_field(value, model.model_fields[name].annotation, prefix + name)


def _of_field(value: Any, annotation: Any, where: str) -> Iterator[str]:
    types = set(_types(annotation))
    if isinstance(value, bool):
        if types & {int, float} and bool not in types:
            yield f"{where}: should be a number, not {str(value).lower()}"
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _of_field(each, annotation, f"{where}.{number}")
    elif isinstance(value, Mapping):
        if any(issubclass(each, BaseModel) for each in types):
            yield from _misplaced(value, model_of(annotation), f"{where}.")
        else:
            for key, each in value.items():
                yield from _of_field(each, annotation, f"{where}.{key}")


def _types(annotation: Any) -> Iterator[type]:
    """Yield the types that an annotation such as `tuple[int, ...] | None` is made of."""
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for part in get_args(annotation):
        yield from _types(part)


def model_of(annotation: Any) -> type[BaseModel]:
    """Return the model inside an annotation such as `tuple[Promotion, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(model_of(part) for part in get_args(annotation) if part is not Ellipsis)
