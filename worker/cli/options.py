"""Options that several commands share, and what they mean."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from worker.config.model import Config
    from worker.job import Job
    from worker.store.base import Store
    from worker.telemetry.progress import View

_Command = TypeVar("_Command", bound=Callable[..., Any])


def options(*wanted: str) -> Callable[[_Command], _Command]:
    """Return a decorator that adds the named shared options."""
    known = {
        "set": click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="KEY=VALUE",
            help="Override a config key: --set rate.tps=200. VALUE in TOML. Repeatable.",
        ),
        "emulator": click.option(
            "--emulator",
            "use_emulator",
            is_flag=True,
            help="Start the built-in emulator for this command and call it instead of AWS.",
        ),
        "json": click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout."),
        "log": click.option(
            "--log-format",
            type=click.Choice(["auto", "text", "json"]),
            default="auto",
            show_default=True,
            help="Progress and log on stderr; auto: a live view on a terminal, else lines.",
        ),
        "quiet": click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors."),
        "verbose": click.option("-v", "--verbose", is_flag=True, help="More detail."),
    }

    def decorate(command: _Command) -> _Command:
        for name in reversed(wanted):
            command = known[name](command)
        return command

    return decorate


def view_of(settings: Config, flags: dict[str, Any]) -> View:
    """Return what shows progress: a live view on a terminal, else lines."""
    from worker.telemetry.progress import LineView, LiveView

    return (LiveView if is_live(flags) else LineView)(settings.price.per_1000_usd)


def is_live(flags: dict[str, Any]) -> bool:
    """Return whether progress is a view that is redrawn on a terminal."""
    return flags["log_format"] == "auto" and sys.stderr.isatty() and not flags["quiet"]


def set_up_log(flags: dict[str, Any]) -> None:
    """Send the log to stderr as the flags say."""
    from worker.runtime import log

    level = logging.DEBUG if flags["verbose"] else logging.INFO
    if flags["quiet"]:
        level = logging.WARNING
    log.set_up(as_json=flags["log_format"] == "json", level=level)


def load_settings(config: Path, settings: Sequence[str]) -> Config:
    """Return the config with `settings`, those of --set, and the environment's over it."""
    from worker.config.load import load_config

    return load_config(config, settings=settings, environ=os.environ)


def open_settings(settings: Config) -> tuple[Job, Store]:
    """Open what `run` and `plan` start from; raise what is wrong with it now."""
    from worker.job import open_job
    from worker.store.open import open_store

    if settings.quality.previous:
        from worker.commands.finish import check_previous

        check_previous(settings)
    return open_job(settings), open_store(settings.output.path)


def emulator_config(config: Path, flags: dict[str, Any]) -> Path | None:
    """Return the config that the emulator is to be started with, if it is."""
    return config if flags["use_emulator"] else None
