"""Training and scores: what they learn, and the arithmetic of softmax and selection."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from worker.emulator.data.datasets import Data, load
from worker.emulator.model.recommend import Recommender
from worker.emulator.model.softmax import as_scores, as_weights, best
from worker.emulator.model.train import Model, train
from worker.emulator.settings import EmulatorSettings

STEADY = settings(derandomize=True, max_examples=60)
FLOATS = hnp.arrays(
    np.float32, st.integers(1, 300), elements=st.floats(-20, 20, width=32, allow_nan=False)
)


@cache
def made_up() -> tuple[Data, Model]:
    data = load(EmulatorSettings())
    return data, train(data)


def small(pairs: list[tuple[int, int]], *, users: int, items: int) -> Data:
    """Interactions (user, item) in the order of time."""
    codes = np.array(pairs, dtype=np.int32)
    user_ids, item_ids = [f"u{n}" for n in range(users)], [f"i{n}" for n in range(items)]
    return Data(
        user_ids=user_ids,
        item_ids=item_ids,
        action_ids=["a"],
        user_codes=codes[:, 0],
        item_codes=codes[:, 1],
        timestamps=np.arange(len(codes), dtype=np.int64),
        event_types=pa.nulls(len(codes), pa.string()).dictionary_encode(),
        item_columns={},
        item_table=pa.table({"ITEM_ID": item_ids}),
        user_table=pa.table({"USER_ID": user_ids}),
        action_table=pa.table({"ACTION_ID": ["a"]}),
    )


@STEADY
@given(values=FLOATS, count=st.integers(0, 320), levels=st.integers(1, 50))
def test_the_best_are_those_of_a_full_sort_with_ties_by_position(
    values: np.ndarray, count: int, levels: int
) -> None:
    values = (np.round(values * levels) / levels).astype(np.float32)  # makes ties
    expected = sorted(range(len(values)), key=lambda n: (-values[n], n))[:count]
    assert best(values, count).tolist() == expected


@STEADY
@given(logits=FLOATS, repeat_rate=st.floats(0.001, 0.999), seen=st.sets(st.integers(0, 299)))
def test_seen_items_get_at_most_the_repeat_rate_and_others_keep_their_order(
    logits: np.ndarray, repeat_rate: float, seen: set[int]
) -> None:
    positions = np.array(sorted(n for n in seen if n < len(logits)), dtype=np.int32)
    others = np.setdiff1d(np.arange(len(logits)), positions)
    weights, total = as_weights(logits.copy(), positions, repeat_rate)
    assert np.isfinite(weights).all()
    assert weights.sum(dtype=np.float64) == pytest.approx(total, rel=1e-4)
    if len(others):
        plain = np.exp(logits.astype(np.float64) - logits.max())
        untouched = plain[positions].sum() / plain.sum()
        own = weights[positions].sum(dtype=np.float64) / total
        assert own == pytest.approx(min(repeat_rate, untouched), rel=1e-3)
        shares = weights[others] / weights[others].sum(dtype=np.float64)
        assert shares == pytest.approx(plain[others] / plain[others].sum(), rel=1e-3)


@STEADY
@given(user=st.one_of(st.none(), st.integers(0, 499)), count=st.integers(0, 1000))
def test_scores_are_sorted_have_seven_decimals_and_sum_to_one_over_the_catalogue(
    user: int | None, count: int
) -> None:
    data, model = made_up()
    recommender = Recommender(model)
    ranked = recommender.for_user(user, count)
    scores = ranked.scores or []
    assert len(ranked.codes) == len(scores) == count
    assert scores == sorted(scores, reverse=True)
    assert all(Decimal(repr(score)) == round(Decimal(repr(score)), 7) for score in scores)
    everything = recommender.for_user(user, len(data.item_ids))
    assert sum(everything.scores or []) == pytest.approx(1.0, abs=1e-4)
    assert everything.codes[:count] == ranked.codes


@STEADY
@given(
    user=st.one_of(st.none(), st.integers(0, 499)),
    items=st.lists(st.integers(0, 999), min_size=1, max_size=100, unique=True),
)
def test_ranking_scores_sum_to_one_over_the_list_and_ignore_its_order(
    user: int | None, items: list[int]
) -> None:
    _, model = made_up()
    recommender = Recommender(model)
    ranked = recommender.ranking(user, items)
    assert sorted(ranked.codes) == sorted(items)
    assert sum(ranked.scores or []) == pytest.approx(1.0, abs=1e-5)
    assert ranked.scores == sorted(ranked.scores or [], reverse=True)
    assert recommender.ranking(user, items[::-1]) == ranked


ALIKE = [(user, item) for user in range(100) for item in range(100) if user % 5 == item % 5]
ALONE = [(number, number) for number in range(100)]


@pytest.mark.parametrize("pairs", [None, ALIKE, ALONE], ids=["made up", "alike", "alone"])
def test_training_twice_gives_the_same_model(pairs: list[tuple[int, int]] | None) -> None:
    data = made_up()[0] if pairs is None else small(pairs, users=100, items=100)
    model, again = train(data), train(data)
    assert np.array_equal(model.user_vectors, again.user_vectors)
    assert np.array_equal(model.item_vectors, again.item_vectors)
    assert model.scale == again.scale


def test_recommendations_are_mostly_of_the_genres_that_a_user_watched() -> None:
    data, model = made_up()
    recommender = Recommender(model)
    genres = [set(str(text).split("|")) for text in data.item_columns["GENRES"].to_pylist()]
    popular = recommender.popular(25).codes

    def liked(user: int, items: list[int]) -> float:
        watched = [genre for item in model.seen(user).tolist() for genre in genres[item]]
        favourite = max(sorted(set(watched)), key=watched.count)
        return float(np.mean([favourite in genres[item] for item in items]))

    users = range(0, 500, 5)
    own = np.mean([liked(user, recommender.for_user(user, 25).codes) for user in users])
    assert own > 1.5 * np.mean([liked(user, popular) for user in users])


def test_typical_best_scores_are_as_peaked_as_the_service_shows_them() -> None:
    _, model = made_up()
    recommender = Recommender(model)
    tops = [(recommender.for_user(user, 1).scores or [0.0])[0] for user in range(500)]
    assert 0.02 < float(np.median(tops)) < 0.1


FILMS = [(user, item) for user in range(6) for item in range(6) if item // 3 == user % 2]


def test_what_nobody_takes_twice_is_not_recommended_again() -> None:
    pairs = [pair for pair in FILMS if pair != (0, 2)]
    recommender = Recommender(train(small(pairs, users=6, items=7)))
    ranked = recommender.for_user(0, 7)
    assert ranked.codes[0] == 2  # liked by those who like items 0 and 1, and not yet taken
    scores = dict(zip(ranked.codes, ranked.scores or [], strict=True))
    assert scores[0] + scores[1] < 0.05 < scores[2]


def test_what_people_take_again_and_again_stays_recommended() -> None:
    recommender = Recommender(train(small(FILMS * 20, users=6, items=7)))
    assert set(recommender.for_user(0, 3).codes) == {0, 1, 2}


def test_an_item_nobody_touched_has_a_small_score_and_is_related_to_what_is_popular() -> None:
    recommender = Recommender(train(small([*FILMS, (0, 5)], users=6, items=7)))
    assert recommender.for_user(None, 7).codes[-1] == 6
    assert (recommender.for_user(None, 7).scores or [0])[-1] > 0
    assert recommender.related(6, 3).codes == recommender.popular(3).codes
    assert recommender.popular(1).codes == [5]


def test_related_items_are_of_the_same_kind_and_never_the_item_itself() -> None:
    recommender = Recommender(train(small(FILMS, users=6, items=6)))
    assert set(recommender.related(0, 2).codes) == {1, 2}
    assert set(recommender.related(4, 2).codes) == {3, 5}
    assert sorted(recommender.related(0, 500).codes) == [1, 2, 3, 4, 5]
    assert recommender.related(None, 500).codes == recommender.popular(500).codes


@STEADY
@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=30),
    user=st.integers(0, 4),
)
def test_the_smallest_data_train_and_answer(pairs: list[tuple[int, int]], user: int) -> None:
    recommender = Recommender(train(small(pairs, users=5, items=7)))
    ranked = recommender.for_user(user, 25)
    assert sorted(ranked.codes) == list(range(7))
    assert sum(ranked.scores or []) == pytest.approx(1.0, abs=1e-6)


def test_one_user_and_one_item_are_enough() -> None:
    recommender = Recommender(train(small([(0, 0)], users=1, items=1)))
    assert recommender.for_user(0, 25).scores == [1.0]
    assert recommender.related(0, 25).codes == []


def test_weights_too_small_for_a_float_still_rank() -> None:
    logits = np.array([0.0, -500.0, -500.0], dtype=np.float32)
    weights, total = as_weights(logits, np.array([], dtype=np.int32), 0.5)
    assert as_scores(weights, total) == [1.0, 0.0, 0.0]
