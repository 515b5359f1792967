"""The service's rules for imports, and its quotas, that data and resources may break here.

Sources: developer guide, "Amazon Personalize endpoints and quotas", "Preparing item interaction
data for training", "Preparing training data", "Semantic-Similarity recipe". The emulator works with
less and with more; AWS's import job, solution version, campaign or filter would fail. Adjustable
quotas are at their defaults. Resources count where they are declared: what exists by default is
more than a data set group may have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from worker.emulator.data.findings import Findings
from worker.emulator.data.sources import Sources
from worker.emulator.data.tables import decoded, find_column, in_seconds, is_text
from worker.emulator.settings import EmulatorSettings

INTERACTIONS_MIN: Final = 1000
USERS_MIN: Final = 25
USERS_SHARE_MIN: Final = 0.01
CATEGORICAL_LENGTH_MAX: Final = 1000
TEXTUAL_LENGTH_MAX: Final = 20_000
CHINESE_OR_JAPANESE_LENGTH_MAX: Final = 7_000
TEXTUAL_COLUMNS_MAX: Final = 1
CONTEXT_COLUMNS_MAX: Final = 5
TYPES_AND_COLUMNS_MAX: Final = 10
ACTIONS_MAX: Final = 1000
RESOURCES_MAX: Final = {"filters": 30, "campaigns": 5, "recommenders": 5}
METADATA_MAX: Final = {"items": 100, "users": 25, "actions": 10}
EVENTS_MIN: Final = {
    "aws-vod-because-you-watched-x": ("Watch", 1000),
    "aws-vod-most-popular": ("Watch", 1000),
    "aws-ecomm-popular-items-by-views": ("View", 1000),
    "aws-ecomm-popular-items-by-purchases": ("Purchase", 1000),
}
MILLISECONDS_MIN: Final = 100_000_000_000
"""From here on, a number of seconds lies past the year 5100, and one of milliseconds does not."""

_KEYS: Final = frozenset({"USER_ID", "ITEM_ID", "ACTION_ID", "TIMESTAMP"})
_COUNTED: Final = frozenset({"EVENT_TYPE", "EVENT_VALUE"})
_RESERVED: Final = _COUNTED | {
    "EVENT_ATTRIBUTION_SOURCE",
    "EVENT_ID",
    "IMPRESSION",
    "RECOMMENDATION_ID",
}
_LINE_BREAK: Final = r"[\r\n]"
_CHINESE_OR_JAPANESE: Final = r"[\p{Han}\p{Hiragana}\p{Katakana}]"
_BY_TEXT: Final = "aws-semantic-similarity"
_TIMES: Final = frozenset({"CREATION_TIMESTAMP", "ACTION_EXPIRATION_TIMESTAMP"})


def check_data(sources: Sources, settings: EmulatorSettings, findings: Findings) -> None:
    """Note what the service would refuse; what is made up is as it should be."""
    _check_resources(settings, findings)
    for what, (path, table) in sources.given.items():
        where = f"the {what} data set {path}"
        schema = sources.schemas.get(what)
        textual = schema.textual if schema else frozenset()
        _check_text(table, textual, where, findings)
        if len(textual) > TEXTUAL_COLUMNS_MAX:
            findings.add(
                f"the schema of {where} calls {len(textual)} columns textual",
                f"items may have {TEXTUAL_COLUMNS_MAX}",
            )
        for name, values in zip(table.column_names, table.columns, strict=True):
            if name.upper() in _TIMES:
                times: Any = in_seconds(values)
                check_times(times, name, path=path, what=what, findings=findings)
        if what in METADATA_MAX:
            _check_metadata(table, METADATA_MAX[what], where, findings)
        else:
            _check_columns(table, where, findings)
    if "interactions" in sources.given:
        path, table = sources.given["interactions"]
        _check_interactions(sources, f"the interactions data set {path}", findings)
        _check_use_cases(table, settings, f"the interactions data set {path}", findings)
        _check_needed(sources, settings, findings)
    if sources.actions.num_rows > ACTIONS_MAX:
        findings.add(
            f"the actions data set {settings.actions} has {sources.actions.num_rows} actions",
            f"a model considers {ACTIONS_MAX}",
        )


def check_times(values: Any, name: str, *, path: str, what: str, findings: Findings) -> None:
    """Note times that are milliseconds, if they are anything near to now."""
    try:
        latest = pc.max(values.cast(pa.float64())).as_py()
    except pa.ArrowException:
        return  # told elsewhere where it matters
    if latest is not None and latest >= MILLISECONDS_MIN:
        findings.add(
            f"column {name} of the {what} data set {path} looks like milliseconds: {latest:.0f}",
            "give Unix time in seconds: taken as seconds, ages and windows of days are nothing",
        )


def _check_resources(settings: EmulatorSettings, findings: Findings) -> None:
    for what, most in RESOURCES_MAX.items():
        count = len(getattr(settings, what))
        if count > most:
            findings.add(
                f"{count} {what} are declared", f"a data set group may have {most} of its {what}"
            )


def _check_text(table: pa.Table, textual: frozenset[str], where: str, findings: Findings) -> None:
    for name, text in _texts(table):
        most = TEXTUAL_LENGTH_MAX if name.upper() in textual else CATEGORICAL_LENGTH_MAX
        longest = pc.max(pc.utf8_length(text)).as_py() or 0
        if longest > most:
            findings.add(
                f"column {name} of {where} has a value of {longest} characters",
                f"values have at most {CATEGORICAL_LENGTH_MAX} characters; a column of items that "
                f"the schema calls textual may have {TEXTUAL_LENGTH_MAX}",
            )
        elif longest > CHINESE_OR_JAPANESE_LENGTH_MAX and (length := _chinese_or_japanese(text)):
            findings.add(
                f"column {name} of {where} has a Chinese or Japanese value of {length} characters",
                f"in these languages values have at most {CHINESE_OR_JAPANESE_LENGTH_MAX}",
            )
        if pc.any(pc.match_substring_regex(text, _LINE_BREAK)).as_py():
            findings.add(
                f"column {name} of {where} has a line break in a value",
                "each record of an import must be on one line",
            )


def _chinese_or_japanese(text: Any) -> int:
    """Return the length of the longest value too long for its language; 0 where there is none."""
    lengths: Any = pc.utf8_length(text)
    letters: Any = pc.count_substring_regex(text, _CHINESE_OR_JAPANESE)
    most_are: Any = pc.greater(pc.multiply(letters, 2), lengths)
    too_long: Any = pc.greater(lengths, pa.scalar(CHINESE_OR_JAPANESE_LENGTH_MAX))
    return pc.max(lengths.filter(pc.and_(most_are, too_long))).as_py() or 0


def _texts(table: pa.Table) -> Iterator[tuple[str, Any]]:
    """Return the different values of columns of text but the keys, which are checked elsewhere."""
    for name, values in zip(table.column_names, table.columns, strict=True):
        text = decoded(values)
        if is_text(text.type) and name.upper() not in _KEYS:
            yield name, pc.unique(text)


def _check_metadata(table: pa.Table, most: int, where: str, findings: Findings) -> None:
    count = len(table.column_names) - 1
    if not 1 <= count <= most:
        findings.add(f"{where} has {count} metadata columns", f"it must have 1 to {most}")


def _check_columns(table: pa.Table, where: str, findings: Findings) -> None:
    names = {name.upper() for name in table.column_names} - _KEYS
    own = sorted(names - _RESERVED)
    if len(own) > CONTEXT_COLUMNS_MAX:
        findings.add(
            f"{where} has {len(own)} columns besides the reserved ones: {', '.join(own)}",
            f"interactions may have {CONTEXT_COLUMNS_MAX}, context included",
        )
    spelling = find_column(table, "EVENT_TYPE")
    if spelling is None:
        return
    types: Any = decoded(table.column(spelling))
    if types.null_count:
        findings.add(
            f"{where} has {types.null_count} events without an EVENT_TYPE",
            "where there is the column, every event must have a type",
        )
    distinct = len(pc.unique(pc.drop_null(types)))
    counted = len(names - _RESERVED) + len(names & _COUNTED)
    if "ITEM_ID" in {name.upper() for name in table.column_names} and (
        distinct + counted > TYPES_AND_COLUMNS_MAX
    ):
        findings.add(
            f"{where} has {distinct} event types and {counted} metadata columns, EVENT_TYPE and "
            "EVENT_VALUE among them",
            f"together they may be {TYPES_AND_COLUMNS_MAX}",
        )


def _check_interactions(sources: Sources, where: str, findings: Findings) -> None:
    table = sources.interactions
    if table.num_rows < INTERACTIONS_MIN:
        findings.add(
            f"{where} has {table.num_rows} different interactions",
            f"an import and a solution version need {INTERACTIONS_MIN}",
        )
    users: Any = table.column(find_column(table, "USER_ID") or "USER_ID")
    counts = pc.value_counts(decoded(users)).field("counts")
    with_two = pc.sum(pc.greater_equal(counts, pa.scalar(2))).as_py() or 0
    if with_two < USERS_MIN:
        findings.add(
            f"{with_two} users of {where} have two interactions or more",
            f"a solution version needs {USERS_MIN} such users",
        )
    elif with_two < USERS_SHARE_MIN * len(counts):
        findings.add(
            f"{with_two} of {len(counts)} users of {where} have two interactions or more",
            f"it must be {USERS_SHARE_MIN:.0%} of the users",
        )


def _check_use_cases(
    table: pa.Table, settings: EmulatorSettings, where: str, findings: Findings
) -> None:
    spelling = find_column(table, "EVENT_TYPE")
    if settings.recommenders and spelling is None:
        findings.add(f"{where} has no column EVENT_TYPE", "recommenders need the types of events")
        return
    for each in settings.recommenders:
        if each.use_case in EVENTS_MIN and spelling is not None:
            wanted, least = EVENTS_MIN[each.use_case]
            types: Any = decoded(table.column(spelling)).cast(pa.string())
            count = pc.sum(pc.equal(pc.utf8_lower(types), pa.scalar(wanted.lower()))).as_py() or 0
            if count < least:
                findings.add(
                    f"{where} has {count} events of type {wanted}",
                    f"{each.use_case} needs {least} of them",
                )


def _check_needed(sources: Sources, settings: EmulatorSettings, findings: Findings) -> None:
    """Note recipes without the data set that they cannot be without."""
    needed = {_BY_TEXT: "items", "aws-next-best-action": "actions"}
    for each in settings.campaigns:
        what = needed.get(each.recipe)
        if what is not None and what not in sources.given:
            findings.add(
                f"campaign {each.name} is on {each.recipe}, without a data set of {what}",
                f"give emulator.{what}",
            )
        schema = sources.schemas.get("items")
        if each.recipe == _BY_TEXT and schema and not (schema.textual and schema.title):
            findings.add(
                f"campaign {each.name} is on {_BY_TEXT}, and the schema of the items calls no "
                f"column {'itemName' if schema.textual else 'textual'}",
                "that recipe needs a string field with itemName, and one with textual",
            )
