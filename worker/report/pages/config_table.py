"""A config as a report shows it: each key in a row. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.report.pages.page import Section, Table


def config_section(config: Mapping[str, Any], *, of: str) -> Section:
    """Return the config of a run or a load test, which `of` says."""
    return Section(
        title="Config",
        text=[f"As it was when the {of} began; defaults are included."],
        parts=[
            Table(caption=f"Config of this {of}", head=("key", "value"), rows=list(_flat(config)))
        ],
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            yield from _flat({str(n): each for n, each in enumerate(value)}, f"{prefix}{key}.")
        elif isinstance(value, list):
            if value:
                yield f"{prefix}{key}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{key}", str(value)
