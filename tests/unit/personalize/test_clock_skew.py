"""One request whose time is called wrong says nothing of this machine's clock; many in a row do."""

from __future__ import annotations

from worker.personalize.clock_skew import IN_A_ROW_MAX, ClockSkew


def test_before_anything_is_served_it_is_this_machines_clock() -> None:
    assert ClockSkew().record_skewed()


def test_a_few_in_between_are_not() -> None:
    skew = ClockSkew()
    for _ in range(100):
        skew.record_served()
        assert not any(skew.record_skewed() for _ in range(IN_A_ROW_MAX - 1))


def test_many_in_a_row_are() -> None:
    skew = ClockSkew()
    skew.record_served()
    assert [skew.record_skewed() for _ in range(IN_A_ROW_MAX)].index(True) == IN_A_ROW_MAX - 1
