"""An output folder as its readers see it: which run it holds, and what of that is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import Field, ValidationError

from worker.codec.column_names import result_names
from worker.config.model import Config
from worker.errors import ConfigError, InputError
from worker.output.run_folder import (
    ERRORS_FOLDER,
    PART_NAME,
    QUALITY_FAILED_NAME,
    RUN_NAME,
    SUCCESS_NAME,
    read_run_values,
)
from worker.output.run_record import RunRecord
from worker.output.summary import GateResult
from worker.personalize.answer_shape import SHAPES, AnswerShape
from worker.personalize.limits import NUM_ACTIONS_DEFAULT, NUM_RESULTS_DEFAULT
from worker.personalize.operations import Operation
from worker.runtime.records import Count, Moment, Number, Part, read_part, read_record
from worker.store.base import Store


class _Plan(Part):
    parts: Count


class _About(Part):
    """`_run.json`; what its config must be, Config says."""

    run_id: str
    created_at: Moment
    plan: _Plan
    config: dict[str, Any]


class _Gate(Part):
    gate: str
    limit: Number
    seen: Number | None
    passed: bool


class _Quality(Part):
    gates: list[_Gate] = Field(default_factory=list)
    overlap_with_previous: Number | None = None


class _End(Part):
    """`_SUCCESS` or `_QUALITY_FAILED`."""

    within_tolerance: bool
    quality: _Quality = _Quality()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """What a finished run has been judged by."""

    within_tolerance: bool  # whether no more rows failed than are tolerated
    gates: tuple[GateResult, ...] = ()
    overlap_with_previous: float | None = None

    @property
    def broken_gates(self) -> list[GateResult]:
        """The gates that did not pass."""
        return [gate for gate in self.gates if not gate.passed]


@dataclass(frozen=True)
class RunFiles:
    """A run's files, finished or not; parts in the order of their names."""

    store: Store
    run: RunRecord  # _run.json
    config: Config
    part_names: tuple[str, ...]
    errors_names: tuple[str, ...]

    @property
    def shape(self) -> AnswerShape:
        """What the lists hold."""
        return SHAPES[self.config.target.operation]

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The user and item ID columns: who a row is."""
        columns = self.config.input.columns
        return tuple(dict.fromkeys(filter(None, (columns.user_id, columns.item_id))))

    @property
    def result_id_columns(self) -> tuple[str, ...]:
        """What these are called in the results."""
        return tuple(self._result_names[name] for name in self.id_columns)

    @property
    def _result_names(self) -> dict[str, str]:
        input_ = self.config.input
        copied = (*input_.columns.ids, *input_.keep)
        return result_names(copied, self.shape, self.config.output.layout)

    @property
    def asked_column(self) -> str | None:
        """The results' column that says how many entries each row asked for, if one does."""
        columns = self.config.input.columns
        wanted = columns.num_results or columns.item_list
        return self._result_names.get(wanted) if wanted else None

    @property
    def asked_default(self) -> int | None:
        """How many entries a row asked for that says nothing itself; None: it cannot be known."""
        config = self.config
        if config.input.columns.num_results and not self.asked_column:
            return None
        is_actions = config.target.operation is Operation.GET_ACTION_RECOMMENDATIONS
        default = NUM_ACTIONS_DEFAULT if is_actions else NUM_RESULTS_DEFAULT
        return config.request.num_results or default

    @property
    def parts_expected(self) -> int:
        """How many parts the finished run has."""
        return self.run.plan.parts

    def read_end(self) -> RunEnd | None:
        """Return what `_SUCCESS` or `_QUALITY_FAILED` says, whichever is there; None: not finished.

        Raises InputError when it is damaged.
        """
        if len(self.part_names) < self.parts_expected:
            return None  # parts are missing by now, whatever the files say
        for name in (SUCCESS_NAME, QUALITY_FAILED_NAME):
            if text := self.store.read(name):
                try:
                    return _read_end(text)
                except ValueError as error:
                    raise InputError(
                        f"{self.store.shown(name)} is damaged: {error}",
                        hint="remove it and run again: what is committed stays",
                    ) from None
        return None


def _read_end(text: bytes) -> RunEnd:
    try:
        values = orjson.loads(text)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    end = read_part(_End, values)
    return RunEnd(
        within_tolerance=end.within_tolerance,
        gates=tuple(GateResult(**dict(gate)) for gate in end.quality.gates),
        overlap_with_previous=end.quality.overlap_with_previous,
    )


def open_run(store: Store) -> RunFiles:
    """Return the files of the run that `store` holds.

    Raises ConfigError when it holds none, or one whose config this version does not know,
    ConflictError or InputError when its `_run.json` is damaged.
    """
    values = read_run_values(store)
    if values is None:
        raise ConfigError(
            f"{store.place} holds no run: it has no _run.json", hint="pass a run's output.path"
        )
    try:
        read_part(_About, values)
        run = read_record(RunRecord, values)
    except ValueError as error:
        raise InputError(
            f"{store.shown(RUN_NAME)} is damaged: {error}",
            hint="set it right, or replace that run with --overwrite",
        ) from None
    try:
        config = Config.model_validate(run.config)
    except ValidationError as error:
        raise ConfigError(
            f"{store.place} holds a run of another version ({run.version}), whose config "
            f"this one does not know: {error.errors()[0]['loc']}",
            hint="use that version to read it",
        ) from None
    names = [name for name in store.list() if PART_NAME.fullmatch(name)]
    return RunFiles(
        store=store,
        run=run,
        config=config,
        part_names=tuple(name for name in names if not name.startswith(ERRORS_FOLDER)),
        errors_names=tuple(name for name in names if name.startswith(ERRORS_FOLDER)),
    )
