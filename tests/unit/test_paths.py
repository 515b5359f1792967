"""Files of the input and the output are opened in `store/` alone, so that another store fits in."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from unit.test_tidy import MODULES

# Modules outside `store/` that open files which are neither input nor output, and which.
OTHER_FILES = {
    "cli.main": "the config, as the command line names it",
    "cli.options": "the config, as the command line names it",
    "cli.streams": "/dev/null, in place of a closed stream",
    "commands.emulator_process": "the config, for the emulator's own process",
    "cli.event_loop": "the config, for the emulator's own process",
    "config.load": "the config",
    "rate.remembered": "capacities that this machine remembers from run to run",
    "report.compare.buckets": "rows that are put aside in the system's temporary folder",
}
_MODULES = {"glob", "shutil", "tempfile", "os.path", "pathlib.Path", "io.open"}
_OF_OS = {
    "link", "listdir", "lstat", "makedirs", "mkdir", "open", "path", "remove", "rename", "replace",
    "rmdir", "scandir", "stat", "symlink", "unlink", "walk",
}  # fmt: skip


def opens_files(tree: ast.Module) -> Iterator[str]:
    """Yield what a module names that finds, opens or changes files by their paths."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names if each.name in _MODULES)
            case ast.ImportFrom(module=module, names=names):
                named = {module or "", *(f"{module}.{each.name}" for each in names)}
                yield from named & _MODULES
            case ast.Attribute(value=ast.Name(id="os"), attr=attribute) if attribute in _OF_OS:
                yield f"os.{attribute}"
            case ast.Call(func=ast.Name(id="open")):
                yield "open()"


def test_no_module_outside_the_store_names_a_path_of_an_input_or_output() -> None:
    found = {
        name: sorted(set(opens_files(tree)))
        for name, _, tree in MODULES
        if name.split(".")[0] not in ("store", "emulator") and any(opens_files(tree))
    }
    strangers = {name: uses for name, uses in found.items() if name not in OTHER_FILES}
    assert not strangers, "go through the Store or InputFiles, or say which other file it is"
    assert OTHER_FILES.keys() == found.keys(), "a module that opens no file needs no reason"


def test_what_opens_files_is_seen() -> None:
    texts = (
        "import glob", "import os.path", "from pathlib import Path", "import os\nos.stat('x')",
        "open('x')", "from os import path",
    )  # fmt: skip
    assert all(any(opens_files(ast.parse(text))) for text in texts)
    assert not any(
        opens_files(ast.parse("from pathlib import PurePosixPath\nimport os\nos.environ"))
    )
