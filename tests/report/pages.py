"""Pages as tests read them."""

from html.parser import HTMLParser

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>&\u2028"


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
