"""Whether a condition is written as SQL is: the parser forgives what SQL does not. Pure.

It reads `A BETWEEN 0 2`, `A IN (1, , 2)` and `A NOT IS NULL`, each in a way of its own. So it is
asked only about what has each word where it may stand; what stands for what is left to it.
"""

from __future__ import annotations

import re
from itertools import zip_longest

import sqlglot
from sqlglot import Token, TokenType

# Each token is a letter; all others are v: a column without quotes, or what is refused by its name.
_LETTERS = {
    "d": (TokenType.NUMBER, TokenType.IDENTIFIER),
    "0": (TokenType.TRUE, TokenType.FALSE, TokenType.NULL),
    "s": (TokenType.STRING,),
    "(": (TokenType.L_PAREN,),
    ")": (TokenType.R_PAREN,),
    ",": (TokenType.COMMA,),
    ";": (TokenType.SEMICOLON,),
    "-": (TokenType.DASH,),
    "+": (TokenType.PLUS,),
    ".": (TokenType.DOT,),
    "c": (
        *(TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE),
        *(TokenType.AND, TokenType.OR),
    ),
    "b": (TokenType.BETWEEN, TokenType.LIKE),
    "i": (TokenType.IN,),
    "n": (TokenType.NOT,),
    "z": (TokenType.IS,),
    "p": (TokenType.ISNULL, TokenType.NOTNULL),
    "w": (TokenType.ALIAS, TokenType.DCOLON),
    "t": (
        *(TokenType.DATE, TokenType.TIMESTAMP, TokenType.TIMESTAMPTZ, TokenType.DATETIME),
        *(TokenType.WITH, TokenType.TIME),
    ),
}
_LETTER_OF = {kind: letter for letter, kinds in _LETTERS.items() for kind in kinds}
_OF_TYPES = ("WITHOUT", "ZONE")  # of TIMESTAMP WITH TIME ZONE

_BEGIN = r"vd0st(n.+\-"  # of a value, an arithmetic one too
_END = "vd0stp)"
# What no condition has.
_ASTRAY = re.compile(
    r"!"
    r"|(?<=[vd0sp)])[vd0st]"  # two values, and nothing between them
    r"|(?<=[d0sp)])\("
    r"|(?<=t)[vd0]"
    rf"|(?<=[{_END}])n(?![ib0])"  # NOT behind a value is of IN, BETWEEN, LIKE, NULL
    rf"|(?<![{_END}z])n(?![{_BEGIN}])"
    r"|z(?!n?[vd0])"
    r"|i(?!\()"
    rf"|[cb(](?![{_BEGIN}])"
    rf"|,(?![{_BEGIN})])"
    r"|w(?![vt])"
    r"|-(?![vd.(\-])"
    r"|\+(?![d.])"
    rf"|(?<![{_END};])$"
    r"|;(?!;|$)"
)


def check_surface(where: str) -> None:
    """Raise ValueError where a word, sign or value stands where none can.

    Raises SqlglotError when the text is not made of SQL's words and signs at all.
    """
    tokens = sqlglot.tokenize(where)
    pairs = zip_longest(tokens, tokens[1:])
    letters = "".join(_letter(token, following) for token, following in pairs)
    astray = _ASTRAY.search(letters)
    if astray is None:
        return
    if astray.start() == len(tokens):
        raise ValueError("it ends too early" + "".join(f", behind {t.text!r}" for t in tokens[-1:]))
    raise ValueError(f"{tokens[astray.start()].text!r} is not understood where it stands")


def _letter(token: Token, following: Token | None) -> str:
    text, kind = token.text.upper(), token.token_type
    if kind is TokenType.NOT and text != "NOT":  # of !~~ alone
        return "n" if following is not None and following.text == "~~" else "!"
    if kind is TokenType.VAR and text == "IF":  # the parser warns of it on stderr
        return "!"
    if kind is TokenType.VAR and text in _OF_TYPES:
        return "t"
    return _LETTER_OF.get(kind, "v")
