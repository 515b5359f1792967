"""Log lines on stderr: `key=value` text for people, JSON for machines. Never a credential or ID."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson

from worker.runtime.text import printable

logger = logging.getLogger("worker")
# They log what they raise, too, with a trace; the user gets it as advice.
_LOUD = ("botocore.credentials", "botocore.tokens")


def info(event: str, **fields: Any) -> None:
    """Log an event with its fields."""
    logger.info(event, extra={"fields": fields})


def warning(event: str, **fields: Any) -> None:
    """Log an event that someone should look at."""
    logger.warning(event, extra={"fields": fields})


def debug(event: str, **fields: Any) -> None:
    """Log an event that -v shows."""
    logger.debug(event, extra={"fields": fields})


def set_up(*, as_json: bool, level: int, stream: Any = None) -> None:
    """Send this program's log to stderr; other libraries' only from WARNING on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonFormatter() if as_json else _TextFormatter())
    logging.getLogger().handlers = [handler]
    logging.getLogger().setLevel(logging.WARNING)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
    logger.setLevel(level)


class _TextFormatter(logging.Formatter):
    """`2026-11-21T03:00:07+0100 info progress rows=12,000 ...`."""

    default_time_format = "%Y-%m-%dT%H:%M:%S%z"

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - the library's name
        return super().formatTime(record, datefmt or self.default_time_format)

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        shown = "".join(f" {key}={_shown(value)}" for key, value in fields.items())
        line = f"{self.formatTime(record)} {record.levelname.lower()} {record.getMessage()}{shown}"
        return line + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")


class _JsonFormatter(_TextFormatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **{
                key: printable(value) if isinstance(value, str) else value
                for key, value in getattr(record, "fields", {}).items()
            },
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    text = printable(str(value))
    return f'"{text}"' if " " in text else text
