"""HTML that cannot be injected into: text is escaped unless this module made it. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterable


class Markup(str):
    """HTML: made by `tag`, or text that this project ships."""

    __slots__ = ()


Child = str | Iterable["Child"] | None
_VOID = {"meta"}


def tag(name: str, /, *children: Child, **attributes: str | None) -> Markup:
    """Return an element. Children that are not Markup are escaped; attributes always are.

    `class_` is written `class`, `aria_label` `aria-label`; an attribute of None is left out.
    """
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    end = "" if name in _VOID else f"</{name}>"
    return Markup(f"<{name}{pairs}>{join(children)}{end}")


def join(children: Iterable[Child]) -> Markup:
    """Return HTML of several elements and texts."""
    return Markup("".join(map(_html, children)))


def _html(child: Child) -> str:
    match child:
        case None:
            return ""
        case Markup():
            return child
        case str():
            return html.escape(child)
        case _:
            return join(child)
