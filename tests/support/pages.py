"""Pages as tests read them."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>&\u2028"


def charts_of(page: str) -> dict[str, dict[str, Any]]:
    """Return each chart's data by its label."""
    found = re.search('<script type="application/json" id="charts">(.*?)</script>', page)
    assert found
    labels = re.findall('role="img" aria-label="(.*?)"', page)
    return dict(zip(labels, json.loads(found[1]), strict=True))


class Reader(HTMLParser):
    """Collects what a page holds: elements with their attributes, and text outside scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if not self.elements or self.elements[-1][0] not in ("script", "style"):
            self.text += data + "\n"
