"""The rules of this code base, as tests. Each message says file, line and remedy."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from conftest import PROJECT

MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60
TOP_LEVEL = {
    "CHANGELOG.md", "LICENSE", "README.md", "configs", "pyproject.toml", "scripts", "tests",
    "worker",
}  # fmt: skip

# Who may import whom, lowest first: a module imports only from ranks below its own.
RANKS = (
    {"printable"},
    {
        "__init__",
        "errors",
        "clock",
        "limits",
        "deadline",
        "elapsed",
        "plain",
        "leave",
        "log",
        "call.speedups",
        "histogram",
        "interpreter",
        "show",
        "emulator.settings",
        "report",
        "report.column",
        "report.format",
        "report.markup",
        "report.page",
        "report.parallel",
        "loadtest",
        "loadtest.thresholds",
    },
    {"pace", "adapt", "footer", "where", "store", "stop", "files", "values", "model"}
    | {"call.sigv4", "call.words", "call.outbox"}
    | {"report.bins", "report.hashes", "report.html", "report.failures", "report.config_table"}
    | {"report.rank_biased", "report.checked"}
    | {"report.percentiles"},
    {"loadtest.settings", "ceilings"},
    {"config", "report.buckets", "report.counts", "report.lists", "report.timeline"}
    | {"report.origins"},
    {"loadtest.schedule", "loadtest.search", "loadtest.histogram"},
    {"rules", "fit", "retry", "build", "shape", "read", "part", "schema", "room", "quality"},
    {"each", "usual", "load", "call", "call.transport", "call.access", "call.answers", "summary"}
    | {"tally", "breaker"},
    {"call.http1", "call.failures", "decode", "layout", "spool", "gate", "govern"},
    {"steer"},
    {"call.pool", "call.prepare", "keep", "lane", "write", "job", "progress", "emulated"}
    | {"duplicates"},
    {"open_rows"},
    {"call.sdk", "call.wire", "drain", "folder", "reach", "advice", "ahead"}
    | {"loadtest.measure", "loadtest.users"},
    {"call.choose", "call.provisioned", "pipeline", "report.source"}
    | {"loadtest.attempts", "loadtest.generator", "loadtest.result", "loadtest.verdict"}
    | {"loadtest.text", "loadtest.timeline"},
    {"loadtest.folder", "loadtest.observer", "report.load_check"},
    {"loadtest.session", "loadtest.view", "report.load_source", "report.load_points"},
    {"report.load_results", "report.load_time"},
    {"report.load_page"},
    {"report.load_make"},
    {"loadtest.run"},
    {"plan", "explain", "report.rows"},
    {"report.measure", "report.compare"},
    {"report.numbers", "report.run_time"},
    {"report.run_quality"},
    {"report.run_page", "report.diff"},
    {"report.make"},
    {"finish"},
    {"run", "options"},
    {"cli"},
    {"__main__"},
)
PURE = {
    "adapt", "breaker", "build", "decode", "each", "layout", "limits", "plan", "printable", "retry",
    "rules", "shape", "show", "where", "quality", "usual", "report.bins", "report.counts",
    "report.diff",
    "report.format", "report.hashes", "report.html", "report.lists", "report.markup",
    "report.numbers", "report.page", "report.run_page", "report.run_quality", "report.run_time",
    "report.timeline", "report.config_table", "report.percentiles", "report.load_page",
    "report.load_points", "report.load_results", "report.load_time",
    "loadtest.result", "loadtest.schedule", "loadtest.search", "loadtest.text",
    "loadtest.thresholds", "loadtest.verdict",
    "report.checked", "report.load_check", "report.origins", "report.rank_biased",
}  # fmt: skip
IMPURE_IMPORTS = re.compile(r"(anyio|asyncio|aioboto3|socket|subprocess|time)(\.|$)")


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for path in sorted((PROJECT / "worker").rglob("*.py")):
        name = ".".join(path.relative_to(PROJECT / "worker").with_suffix("").parts)
        yield name.removesuffix(".__init__"), path, ast.parse(path.read_text())


MODULES = list(modules())


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every import's line and full module name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            own = {f"worker.{name}" for name, _, _ in MODULES}
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield node.lineno, full if full in own else node.module


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


def test_every_module_has_a_rank_and_imports_only_below_it() -> None:
    rank_of = {name: rank for rank, names in enumerate(RANKS) for name in names}
    problems = []
    for name, path, tree in MODULES:
        if name.startswith("emulator"):
            continue
        if name not in rank_of:
            problems.append(f"{path}: has no rank; give it one in {Path(__file__).name}")
            continue
        for line, imported in imports(tree):
            other = imported.removeprefix("worker.")
            allowed = other.startswith("emulator") and name == "emulated"
            is_own = imported.startswith("worker.")
            if is_own and not allowed and rank_of.get(other, 99) >= rank_of[name]:
                problems.append(f"{path}:{line}: {name} imports {other}, which is not below it")
    assert not problems, "\n".join(problems)


def test_the_emulator_shares_no_code_with_the_client() -> None:
    problems = [
        f"{path}:{line}: the emulator imports {imported}; a shared mistake could hide there"
        for name, path, tree in MODULES
        if name.startswith("emulator")
        for line, imported in imports(tree)
        if imported.startswith("worker") and not imported.startswith("worker.emulator")
    ]
    assert not problems, "\n".join(problems)


def test_what_decides_is_pure() -> None:
    problems = [
        f"{path}:{line}: {name} decides; it may not import {imported}"
        for name, path, tree in MODULES
        if name in PURE
        for line, imported in imports(tree)
        if IMPURE_IMPORTS.match(imported)
    ]
    assert not problems, "\n".join(problems)


def test_only_the_command_line_prints() -> None:
    problems = [
        f"{path}:{node.lineno}: prints; return the text and let cli.py print it"
        for name, path, tree in MODULES
        if name != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "click.echo"}
    ]
    assert not problems, "\n".join(problems)


def test_the_sdk_is_imported_in_one_place() -> None:
    problems = [
        f"{path}:{line}: imports {imported}; keep the SDK in worker/call/"
        for name, path, tree in MODULES
        if not name.startswith(("call", "emulator"))
        for line, imported in imports(tree)
        if imported.split(".")[0] in {"aioboto3", "aiohttp", "boto3", "botocore"}
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
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is on PATH
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    names = {name.split("/")[0] for name in tracked if name}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL
