"""Next best actions: how likely each user is to take each action.

Source: developer guide, "Next-Best-Action recipe". An action has a score once the action
interactions of the last six weeks, back from the latest, hold 50 with the type TAKEN and 50 with
NOT_TAKEN or VIEWED; until then its score is 0.0. Of actions that are equally likely, the one with
the larger VALUE ranks higher.

Chosen: an action's score is the share of TAKEN among its events, moved for a user (on the scale of
logits) by how much more often than expected they took actions at all, and this action. Both are
smoothed, so that a few events say little. What users did with items moves nothing. Other event
types count for nothing; a space in a type counts as an underscore, its case not at all.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from worker.emulator.data.datasets import Data, EventLog
from worker.emulator.data.tables import find_column, in_seconds
from worker.emulator.model.softmax import SCORE_DECIMALS

EVENTS_MIN: Final = 50
"""Events of each of the two kinds that an action needs to have a score."""

WEEKS_S: Final = 6 * 7 * 86_400
"""How far back events count."""

_PRIOR: Final = 2.0  # events that are added to what was seen and to what was expected
_Floats = npt.NDArray[np.float64]
_Codes = npt.NDArray[np.int64]


class Propensities:
    """Scores of every (user, action) pair. Unknown users have the actions' own scores.

    Actions whose ACTION_EXPIRATION_TIMESTAMP is before the last interaction, with an item or an
    action, have expired and are never returned.
    """

    def __init__(self, data: Data) -> None:
        self._action_ids = data.action_ids
        self._values = np.nan_to_num(_numbers(data, "VALUE"), nan=-np.inf)
        now = _latest(data)
        expires = _numbers(data, "ACTION_EXPIRATION_TIMESTAMP")
        self._alive = ~(expires <= now)  # true where there is no time
        users, actions, taken = _counted(data.actions_done)
        size = len(data.action_ids)
        events = np.bincount(actions, minlength=size).astype(np.float64)
        hits = np.bincount(actions, weights=taken, minlength=size)
        self._scored = (hits >= EVENTS_MIN) & (events - hits >= EVENTS_MIN)
        share = np.where(self._scored, hits / np.maximum(events, 1.0), 0.5)
        self._logits = np.log(share) - np.log1p(-share)
        keep = self._scored[actions]
        self._lean(users[keep], actions[keep], taken[keep], share, len(data.user_ids))

    @property
    def scored(self) -> int:
        """How many actions have a score."""
        return int(np.count_nonzero(self._scored))

    def _lean(
        self, users: _Codes, actions: _Codes, taken: _Floats, share: _Floats, user_count: int
    ) -> None:
        """Learn each user's lean to actions, and to each action that they had to do with."""
        expected = share[actions]
        self._user_leans = _leans(users, taken, expected, user_count)
        pairs, of_pair = np.unique(users * len(share) + actions, return_inverse=True)
        self._pair_actions = pairs % len(share)
        self._pair_leans = _leans(of_pair, taken, expected, len(pairs))
        edges = np.arange(user_count + 1) * len(share)
        self._start = np.searchsorted(pairs, edges)

    def best(
        self, user: int | None, count: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> list[tuple[str, float]]:
        """Return (action ID, propensity 0..1) pairs, best first, ties in the order of the IDs."""
        logits = self._logits
        if user is not None:
            own = slice(self._start[user], self._start[user + 1])
            logits = logits + self._user_leans[user]
            logits[self._pair_actions[own]] += self._pair_leans[own]
        scores = np.round(1.0 / (1.0 + np.exp(-logits)), SCORE_DECIMALS)
        scores = np.where(self._scored, scores, 0.0)
        among = np.flatnonzero(self._alive if allowed is None else self._alive & allowed)
        order = among[np.lexsort((among, -self._values[among], -scores[among]))[:count]]
        return [(self._action_ids[n], float(scores[n])) for n in order.tolist()]


def _latest(data: Data) -> float:
    """Return the time of the last interaction with an item or an action."""
    done = data.actions_done
    times = data.timestamps if done is None else np.append(data.timestamps, done.timestamps)
    return float(times.max())


def _counted(log: EventLog | None) -> tuple[_Codes, _Codes, _Floats]:
    """Return users, actions, and 1 for TAKEN, of the events that scores are made of."""
    if log is None or not len(log.codes):
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, np.empty(0)
    types: Any = log.types
    names = [str(each).replace(" ", "_").upper() for each in types.dictionary.to_pylist()]
    kinds = {"TAKEN": 1.0, "NOT_TAKEN": 0.0, "VIEWED": 0.0}
    meaning = np.array([*(kinds.get(name, np.nan) for name in names), np.nan])
    taken = meaning[types.indices.fill_null(len(names)).to_numpy()]
    counts = ~np.isnan(taken) & (log.timestamps >= log.timestamps.max() - WEEKS_S)
    users, actions = log.user_codes[counts], log.codes[counts]
    return users.astype(np.int64), actions.astype(np.int64), taken[counts]


def _leans(groups: _Codes, taken: _Floats, expected: _Floats, size: int) -> _Floats:
    """Return for each group the logits by which it took more often than expected."""
    events = np.bincount(groups, minlength=size)
    seen = np.bincount(groups, weights=taken, minlength=size)
    due = np.bincount(groups, weights=expected, minlength=size)
    took = np.log((seen + _PRIOR) / (due + _PRIOR))
    passed = np.log((events - seen + _PRIOR) / (events - due + _PRIOR))
    leans: _Floats = took - passed
    return leans


def _numbers(data: Data, name: str) -> _Floats:
    """Return a column of the actions data set, NaN where it has no finite number."""
    spelling = find_column(data.action_table, name)
    nothing = np.full(len(data.action_ids), np.nan)
    if spelling is None:
        return nothing
    column = in_seconds(data.action_table.column(spelling))
    try:
        numbers: _Floats = column.cast(pa.float64()).to_numpy()
    except pa.ArrowException:
        return nothing  # not in the service's form, so as good as absent
    return np.where(np.isfinite(numbers), numbers, nothing)
