"""The books: each thing stands in one of them, and what they point at is there."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from support.runs import PROJECT

BOOKS = (
    "README.md", "configs/README.md", "scripts/README.md", "worker/README.md",
    "worker/emulator/README.md", "worker/loadtest/README.md",
)  # fmt: skip
TEXTS = {book: (PROJECT / book).read_text() for book in BOOKS}
README_LINES_MAX = 300
PICTURE_BYTES_MAX = 200_000
SENTENCE_WORDS_MIN = 8  # shorter ones may well be said twice
_FILE = re.compile(r"`((?:worker|scripts|tests|configs)/[\w./-]+)`")


def prose(text: str) -> str:
    """Return a book without what is generated, fenced or tabled."""
    text = re.sub(r"<!-- generated.*?<!-- end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^[|#].*$", "", text, flags=re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Return what a link may have after its #."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def links() -> Iterator[tuple[str, str]]:
    for book, text in TEXTS.items():
        yield from ((book, link) for link in re.findall(r"\]\(([^)]+)\)", text))


def test_every_book_of_the_project_is_among_them() -> None:
    found = (path.relative_to(PROJECT) for path in PROJECT.glob("**/README.md"))
    own = {str(path) for path in found if path.parts[0][0] != "."}
    assert own == set(BOOKS)


def test_the_first_book_is_read_in_one_go() -> None:
    assert TEXTS["README.md"].count("\n") <= README_LINES_MAX


@pytest.mark.parametrize("book", BOOKS)
def test_a_book_begins_with_its_table_of_contents(book: str) -> None:
    before, found, _ = TEXTS[book].partition("<!-- generated: toc -->")
    assert found
    assert "\n## " not in before


@pytest.mark.parametrize(("book", "link"), list(links()))
def test_links_lead_somewhere(book: str, link: str) -> None:
    if link.startswith("https://"):
        return
    name, _, anchor = link.replace("\\", "").partition("#")
    target = (PROJECT / book).parent / name if name else PROJECT / book
    assert target.exists()
    if anchor:
        assert anchor in anchors(target.read_text())


@pytest.mark.parametrize("book", BOOKS)
def test_files_that_a_book_names_are_there(book: str) -> None:
    named = _FILE.findall(TEXTS[book])
    missing = [name for name in named if not (PROJECT / name).exists()]
    assert not missing


def test_no_sentence_stands_in_two_places() -> None:
    where = defaultdict[str, list[str]](list)
    for book, text in TEXTS.items():
        for paragraph in re.split(r"\n\s*\n|\n- ", prose(text)):
            for sentence in re.split(r"(?<=[.:])\s+", " ".join(paragraph.split())):
                if len(sentence.split()) >= SENTENCE_WORDS_MIN:
                    where[sentence].append(book)
    twice = {sentence: books for sentence, books in where.items() if len(books) > 1}
    assert not twice


def test_packages_name_modules_that_are_there() -> None:
    """Beside words in backticks that are no names of modules, as `wire`."""
    words = {"wire", "sdk", "report", "diff", "_errors/"}
    folders = [path.parent for path in sorted((PROJECT / "worker").glob("*/__init__.py"))]
    wrong = []
    for folder in (each for each in folders if each.name != "emulator"):
        docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
        for name in re.findall(r"`([a-z_./]+)`", docstring):
            path = name.replace(".", "/")
            places = (folder / f"{path}.py", folder / path, PROJECT / "worker" / f"{path}.py",
                      PROJECT / "worker" / path)  # fmt: skip
            if name not in words and not any(place.exists() for place in places):
                wrong.append(f"{folder.name}: {name}")
    assert not wrong


def test_pictures_are_small_and_ask_nothing_of_a_network() -> None:
    pictures = sorted((PROJECT / "scripts" / "pictures").iterdir())
    named = set(
        chain.from_iterable(re.findall(r"!\[[^]]*\]\(([^)]+)\)", t) for t in TEXTS.values())
    )
    assert {str(path.relative_to(PROJECT)) for path in pictures} == named
    for path in pictures:
        assert path.stat().st_size < PICTURE_BYTES_MAX
        if path.suffix == ".svg":
            text = Path(path).read_text().replace("http://www.w3.org/2000/svg", "")
            assert "://" not in text
