"""What no single key can say wrong: keys that contradict the operation, or each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from worker.config.model import Config
from worker.personalize import limits
from worker.personalize.operations import Operation

_NEEDED_COLUMNS = {
    Operation.GET_PERSONALIZED_RANKING: ("user_id", "item_list"),
    Operation.GET_ACTION_RECOMMENDATIONS: ("user_id",),
}
# botocore model personalize-runtime 2018-05-22: members of each operation's request.
_ABSENT_REQUEST_KEYS = {
    Operation.GET_RECOMMENDATIONS: (),
    Operation.GET_PERSONALIZED_RANKING: ("num_results", "promotions"),
    Operation.GET_ACTION_RECOMMENDATIONS: ("context", "promotions", "metadata_columns"),
}
_ABSENT_COLUMNS = {
    Operation.GET_RECOMMENDATIONS: ("item_list",),
    Operation.GET_PERSONALIZED_RANKING: ("item_id", "num_results"),
    Operation.GET_ACTION_RECOMMENDATIONS: ("item_id", "item_list", "context"),
}

LISTS_ALIKE_BY_CHANCE = 3  # entries; fewer say nothing of who else has the same


def broken_rules(config: Config) -> list[str]:
    """Return one line for each rule that `config` breaks; none when it is sound."""
    return [
        *_operation_rules(config),
        *_request_rules(config),
        *_quality_rules(config),
        *_other_rules(config),
    ]


def num_results_max(config: Config) -> int:
    """Return the service's limit on results per call for this operation and metadata."""
    if config.target.operation is Operation.GET_ACTION_RECOMMENDATIONS:
        return limits.NUM_ACTIONS_MAX
    if config.request.metadata_columns:
        return limits.NUM_RESULTS_WITH_METADATA_MAX
    return limits.NUM_RESULTS_MAX


def _operation_rules(config: Config) -> Iterator[str]:
    operation, columns = config.target.operation, config.input.columns
    for key in _NEEDED_COLUMNS.get(operation, ()):
        if getattr(columns, key) is None:
            yield f"input.columns.{key}: is missing; {operation} needs it"
    if operation is Operation.GET_RECOMMENDATIONS and not columns.ids:
        yield "input.columns: needs user_id, or item_id for related items, or both"
    for key in _ABSENT_COLUMNS[operation]:
        if getattr(columns, key):
            yield f"input.columns.{key}: {operation} has no such field; remove it"
    for key in _ABSENT_REQUEST_KEYS[operation]:
        if getattr(config.request, key):
            yield f"request.{key}: {operation} has no such field; remove it"


def _request_rules(config: Config) -> Iterator[str]:
    request, columns = config.request, config.input.columns
    most = num_results_max(config)
    if request.num_results and request.num_results > most:
        why = " with metadata_columns" if request.metadata_columns else ""
        operation = config.target.operation
        yield (
            f"request.num_results: {operation} returns at most {most}{why} "
            f"(seen: {request.num_results})"
        )
    if (request.filter_values or columns.filter_values) and not request.filter_arn:
        yield "request.filter_arn: is missing; filter_values are given for it"
    for name, limit in (
        ("context", limits.CONTEXT_KEYS_MAX),
        ("filter_values", limits.FILTER_VALUES_MAX),
    ):
        keys = {*getattr(request, name), *getattr(columns, name)}
        if len(keys) > limit:
            yield f"request.{name}: at most {limit} keys, columns included (seen: {len(keys)})"


def _quality_rules(config: Config) -> Iterator[str]:
    quality, columns = config.quality, config.input.columns
    if (quality.overlap_with_previous_min is None) != (quality.previous is None):
        missing = "overlap_with_previous_min" if quality.previous else "previous"
        yield f"quality.{missing}: is missing; the other of the two is given for it"
    asked = columns.num_results
    if quality.short_share_max is not None and asked and asked not in config.input.keep:
        yield (
            f"input.keep: needs {asked!r}; quality.short_share_max is held against what each row "
            "asked for, and reads it from the output"
        )
    results = config.request.num_results
    if quality.fallback_share_max is not None and results and results < LISTS_ALIKE_BY_CHANCE:
        yield (
            f"quality.fallback_share_max: needs request.num_results of {LISTS_ALIKE_BY_CHANCE} or "
            f"more; shorter lists are alike by chance (seen: {results})"
        )


def _other_rules(config: Config) -> Iterator[str]:
    rate = config.rate
    if rate.ramp_from and not rate.ramp_s:
        yield "rate.ramp_s: is missing; ramp_from is given for it"
    if rate.ramp_from and rate.tps and rate.ramp_from > rate.tps:
        yield f"rate.ramp_from: must not exceed tps (seen: {rate.ramp_from} > {rate.tps})"
    if config.stop.cost_usd_max and config.price.per_1000_usd is None:
        yield "price.per_1000_usd: is missing; stop.cost_usd_max is given for it"
    copied = [*config.input.columns.ids, *config.input.keep]
    for name in sorted({name for name in copied if copied.count(name) > 1}):
        yield f"input.keep: {name!r} is copied already; name each column once"
