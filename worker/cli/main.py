"""The command line: what each command does, and with which exit code it ends.

Modules that are heavy to import are imported where a command needs them, so that --help is quick.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from worker import __version__
from worker.cli.exit import leave
from worker.cli.options import (
    emulator_config,
    is_live,
    load_settings,
    open_settings,
    options,
    set_up_log,
    view_of,
)
from worker.cli.streams import Cli, echo, open_closed_ones, print_error, show
from worker.commands.advice import error_outcome, user_message
from worker.runtime import signals
from worker.runtime.descriptors import raise_limit

if TYPE_CHECKING:
    from worker.aws.access import Access
    from worker.commands.loadtest_result import LoadTestResult
    from worker.commands.run_result import RunResult
    from worker.runtime.stop import StopSwitch

EPILOG = """\b
Start here:
  personalize-worker plan configs/demo.toml            what would happen, without a call
  personalize-worker run configs/demo.toml --emulator  the whole job, without AWS

\b
Exit codes:
  0   done                                 4   the service refuses the whole run
  1   a bug in this program                5   results or a load test that did not pass
  2   command line, config or input wrong  6   another run's output, or being written
  3   done, but too many rows failed       75  stopped early; run again to carry on
"""

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Cli, context_settings=_CONTEXT, epilog=EPILOG)
@click.version_option(__version__, prog_name="personalize-worker")
def cli() -> None:
    """Parquet in, rate-limited Amazon Personalize calls, Parquet out: each row exactly once."""


_config_argument = click.argument("config", type=click.Path(path_type=Path))


@cli.command()
@_config_argument
@options("set", "emulator")
@click.option("--overwrite", is_flag=True, help="Drop the run that the output folder holds.")
@options("json", "log", "quiet", "verbose")
def run(config: Path, **flags: Any) -> int:
    """Read Parquet, call, write Parquet. Run again to carry on after a stop.

    CONFIG is a TOML file; see configs/ for examples and `schema` for every key.
    """
    from worker.cli.process import end_start, set_up_interpreter

    set_up_interpreter()
    from worker.cli.event_loop import run_with_access
    from worker.cli.text import show_summary

    set_up_log(flags)
    settings = load_settings(config, flags["settings"])
    job, store = open_settings(settings)
    view = view_of(settings, flags)

    async def main(access: Access, switch: StopSwitch) -> RunResult:
        # The SDK is slow to import, bad input quick to say.
        from worker.cli.housekeeper import run_kept_small

        end_start()
        return await run_kept_small(job, store, access, view, switch, overwrite=flags["overwrite"])

    result = run_with_access(
        main, settings.target, emulator=emulator_config(config, flags), settings=flags["settings"]
    )
    path, summary = settings.output.path, result.summary
    show(summary, show_summary(summary, path), as_json=flags["as_json"], kept_in=path)
    for problem in result.problems:
        print_error(user_message(problem))
    return result.outcome.exit_code


@cli.command()
@_config_argument
@options("set", "emulator", "json", "log", "quiet", "verbose")
def plan(config: Path, **flags: Any) -> int:
    """Show what `run` would do, without one runtime call.

    Reads the input, builds every request, and shows rows, calls, time, cost, the deadline, the
    rows that would be refused, and the first requests.
    """
    from datetime import datetime

    from worker.cli.event_loop import run_with_access
    from worker.cli.text import show_plan
    from worker.commands.plan import ask_provisioned_tps, make_plan
    from worker.rate.choice import choose_rate, needs_provisioned_tps

    set_up_log(flags)
    settings = load_settings(config, flags["settings"])
    job, store = open_settings(settings)

    async def ask(access: Access, switch: StopSwitch) -> float:
        return await switch.wait(ask_provisioned_tps(access, settings.target))

    tps = None
    if needs_provisioned_tps(settings.rate):
        tps = run_with_access(
            ask,
            settings.target,
            emulator=emulator_config(config, flags),
            settings=flags["settings"],
        )
    choice = choose_rate(settings.rate, settings.stop, provisioned_tps=tps)
    made = make_plan(job, store, choice, now=datetime.now().astimezone())
    show(made, show_plan(made), as_json=flags["as_json"])
    return 0


@cli.command()
@_config_argument
@options("set", "emulator")
@click.option("--overwrite", is_flag=True, help="Replace the load test that the folder holds.")
@options("json", "log", "quiet", "verbose")
def loadtest(config: Path, **flags: Any) -> int:
    """Put open-loop load on a campaign: stages of it, or a search for what it holds.

    Section [loadtest] of CONFIG says how much; [input] brings the users; the result goes to
    output.path, a folder of its own.
    """
    from worker.cli.process import end_start, set_up_interpreter

    set_up_interpreter()
    from worker.cli.event_loop import run_with_access
    from worker.job import open_job
    from worker.loadtest.text import show_loadtest
    from worker.loadtest.view import load_view
    from worker.store.open import open_store

    set_up_log(flags)
    settings = load_settings(config, flags["settings"])
    job, store = open_job(settings), open_store(settings.output.path)
    view = load_view(settings.price.per_1000_usd, live=is_live(flags))

    async def main(access: Access, switch: StopSwitch) -> LoadTestResult:
        from worker.commands.loadtest import loadtest as run_test  # as in `run`

        end_start()
        return await run_test(job, store, access, view, switch, overwrite=flags["overwrite"])

    result = run_with_access(
        main, settings.target, emulator=emulator_config(config, flags), settings=flags["settings"]
    )
    path = settings.output.path
    text = show_loadtest(result.conclusion, path)
    show(result.record, text, as_json=flags["as_json"], kept_in=path)
    for problem in result.problems:
        print_error(user_message(problem))
    return result.outcome.exit_code


@cli.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@options("set", "log", "quiet", "verbose")
@click.option("--until-eof", is_flag=True, hidden=True, help="End with the parent's pipe.")
def emulate(config: Path | None, **flags: Any) -> int:
    """Serve a local Personalize until it is interrupted.

    When it accepts calls, it prints `ready http://127.0.0.1:8765` on stdout, and on stderr the
    lines that a client's shell needs, and the ARNs there are. Section [emulator] of CONFIG says
    which data it learns from, which campaigns it has and where it listens; without CONFIG it makes
    up a small data set.
    """
    from worker.cli.ready import ready_line
    from worker.commands.emulate import introduction, serve_until_stopped
    from worker.config.load import load_emulator_settings

    set_up_log(flags)
    settings = load_emulator_settings(config, settings=flags["settings"], environ=os.environ)
    on_ready = ready_line(lambda url: introduction(settings, url), flags)
    serve_until_stopped(settings, on_ready=on_ready, until_eof=flags["until_eof"])
    return 0


@cli.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.argument("identifier", metavar="ID")
@options("json")
def explain(output: Path, identifier: str, **flags: Any) -> int:
    """Show everything known about one row: request, attempts, result or error.

    OUTPUT is a run's output folder, ID a user or item ID of its input.
    """
    from worker.cli.text import show_explanation
    from worker.commands.explain import explain as explain_rows
    from worker.store.open import open_store

    found = explain_rows(open_store(str(output)), identifier)
    show(found, show_explanation(found, str(output)), as_json=flags["as_json"])
    return 0


@cli.command()
@click.argument("output", type=click.Path(path_type=Path))
def report(output: Path) -> int:
    """Write OUTPUT/_report.html anew, and print where it is.

    OUTPUT is the folder of a run or a load test, finished or not. The report is made from its
    files alone.
    """
    from worker.cli.process import ProcessHousekeeping, end_start, set_up_interpreter

    set_up_interpreter()
    from worker.report.make import make_report
    from worker.store.open import open_store

    end_start()
    echo(make_report(open_store(str(output)), ProcessHousekeeping()))
    return 0


@cli.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@options("json")
@click.option("--html", metavar="FILE", type=click.Path(), help="Write a page, too.")
def diff(old: Path, new: Path, **flags: Any) -> int:
    """Compare two runs' results, row by row.

    OLD and NEW are output folders, in either layout. Rows are paired by their IDs.
    """
    from worker.cli.process import ProcessHousekeeping, end_start, set_up_interpreter

    set_up_interpreter()
    from worker.report.compare.page import show_diff
    from worker.report.make import make_diff
    from worker.store.open import open_store

    end_start()
    stores = open_store(str(old)), open_store(str(new))
    numbers = make_diff(*stores, html=flags["html"], housekeeping=ProcessHousekeeping())
    show(numbers, show_diff(numbers), as_json=flags["as_json"])
    return 0


@cli.command()
def schema() -> int:
    """Print the JSON Schema of the config, for editors and for checking."""
    from worker.config.schema import config_schema

    echo(json.dumps(config_schema(), indent=2))
    return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code of the interface."""
    # While an event loop runs, it watches signals; before and after that, others end the program as
    # Ctrl-C does, SIGTERM even where Ctrl-C itself is ignored, as in a shell's background jobs.
    signals.handle(signal.default_int_handler)
    open_closed_ones()
    raise_limit()
    try:
        code = cli.main(arguments, prog_name="personalize-worker", standalone_mode=False)
    except click.ClickException as error:
        with suppress(OSError):  # stderr cannot be written
            error.show()
        leave(error.exit_code)
    except click.Abort:  # what click makes of an interruption
        _end_with(KeyboardInterrupt())
    except BaseException as error:  # noqa: BLE001 - the one place that decides what users see
        _end_with(error)
    leave(code if isinstance(code, int) else 0)


def _end_with(error: BaseException) -> NoReturn:
    print_error(user_message(error))
    leave(error_outcome(error).exit_code)
