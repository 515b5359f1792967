"""Text of others, made fit for terminals, logs and Parquet; tables and durations. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def printable(text: str) -> str:
    r"""Return `text` on one line, with what a terminal would obey shown as an escape.

    White space of all kinds becomes a blank; control characters, bidirectional marks, surrogates
    and the like are written as in Python, `\x1b` say.
    """
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """Return `text` likewise, but in its own lines."""
    return "\n".join(map(printable, text.split("\n")))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    return character.encode("unicode_escape").decode("ascii")


def table(rows: Iterable[tuple[str, str]]) -> str:
    """Return label and text side by side, the labels padded."""
    listed = list(rows)
    width = max(len(label) for label, _ in listed)
    return "\n".join(f"{label:<{width}}  {text}" for label, text in listed)


def duration(seconds: float) -> str:
    """Return "1h05m", "3m20s" or "4.2s"."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"


def as_text(value: object) -> str:
    """Return what JSON has for a value of a column that it has no type for."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
