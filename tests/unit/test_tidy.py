"""The rules of this code base, as tests. Each message says file, line and remedy.

Who may import whom is in pyproject.toml, for import-linter.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support.runs import PROJECT

MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60
TOP_LEVEL = {
    "CHANGELOG.md", "LICENSE", "README.md", "configs", "pyproject.toml", "scripts", "tests",
    "worker",
}  # fmt: skip


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for path in sorted((PROJECT / "worker").rglob("*.py")):
        name = ".".join(path.relative_to(PROJECT / "worker").with_suffix("").parts)
        yield name.removesuffix(".__init__"), path, ast.parse(path.read_text())


MODULES = list(modules())


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_modules_and_functions_stay_short() -> None:
    problems = []
    for path in [*(path for _, path, _ in MODULES), *sorted((PROJECT / "tests").rglob("*.py"))]:
        text = path.read_text()
        if (lines := text.count("\n")) > MODULE_LINES_MAX:
            problems.append(f"{path}: {lines} lines; split it by idea")
        for node in functions(ast.parse(text)):
            length = (node.end_lineno or node.lineno) - node.lineno
            if length > FUNCTION_LINES_MAX:
                problems.append(f"{path}:{node.lineno}: {node.name} is {length} lines; cut it up")
    assert not problems, "\n".join(problems)


def test_only_the_command_line_prints() -> None:
    problems = [
        f"{path}:{node.lineno}: prints; return the text and let cli/ print it"
        for name, path, tree in MODULES
        if name.split(".")[0] != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "click.echo"}
    ]
    assert not problems, "\n".join(problems)


def test_public_names_have_docstrings() -> None:
    problems = []
    for _, path, tree in MODULES:
        nodes = [
            tree,
            *(node for node in tree.body if isinstance(node, ast.ClassDef)),
            *functions(tree),
        ]
        for node in nodes:
            name = getattr(node, "name", "module")
            top_level = node in tree.body or node is tree
            if top_level and not name.startswith("_") and not ast.get_docstring(node):
                problems.append(f"{path}: {name} has no docstring")
    assert not problems, "\n".join(problems)


def test_every_ignore_has_its_reason_beside_it() -> None:
    words = "|".join(("type: " + "ignore", "no" + "qa"))  # split, so that this line is none
    comment = re.compile(rf"#\s*({words})(?!(\[[\w-]+\]|: [A-Z0-9, ]+) (#|-) \w)")
    problems = [
        f"{path}:{number}: an ignore without its reason: {line.strip()}"
        for folder in ("worker", "tests", "scripts")
        for path in sorted((PROJECT / folder).rglob("*"))
        if path.is_file() and path.suffix in ("", ".py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if comment.search(line)
    ]
    assert not problems, "\n".join(problems)


def test_the_top_level_stays_as_it_was_asked_for() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"],  # noqa: S607 - git is on PATH
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    names = {name.split("/")[0] for name in tracked if name}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_every_folder_of_unit_tests_is_one_of_the_code() -> None:
    unit = PROJECT / "tests" / "unit"
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")}
    strange = {str(each) for each in folders if not (PROJECT / "worker" / each).is_dir()}
    assert not strange, f"worker/ has no such folder: {', '.join(sorted(strange))}"
