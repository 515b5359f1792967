"""Text of others, made fit for a terminal, a log line and a Parquet string. Pure."""


def printable(text: str) -> str:
    r"""Return `text` on one line, with what a terminal would obey shown as an escape.

    White space of all kinds becomes a blank; control characters, bidirectional marks, surrogates
    and the like are written as in Python, `\x1b` say.
    """
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """Return `text` likewise, but in its own lines."""
    return "\n".join(map(printable, text.split("\n")))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    return character.encode("unicode_escape").decode("ascii")
