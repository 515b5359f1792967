"""How many files a process may have open, and what is made of that."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from worker.errors import ConfigError
from worker.runtime.descriptors import OTHERS, fitting, raise_limit, room

RAISED = """
import resource, sys
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from worker.runtime.descriptors import raise_limit
raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "raised"), [(100, 200, 200), (200, 200, 200), (150, 1024, 1024)]
)
def test_the_limit_is_raised_to_what_the_process_may_have(
    soft: int, hard: int, raised: int
) -> None:
    said = subprocess.run(
        [sys.executable, "-c", RAISED, str(soft), str(hard)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == [str(raised), str(hard)]


class Limits:
    """The limits of a system, without a process that has them."""

    def __init__(self, soft: int, hard: int, *, most: int, error: Exception) -> None:
        self.limits = soft, hard
        self._most = most
        self._error = error

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.limits

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        if limits[0] > self._most:
            raise self._error
        self.limits = limits


@pytest.mark.parametrize(
    ("soft", "most", "raised"),
    [(256, 10_240, 10_240), (256, 100_000, 65_536), (256, 5_000, 256), (20_000, 10_240, 20_000),
     (resource.RLIM_INFINITY, 100_000, resource.RLIM_INFINITY)],
)  # fmt: skip
@pytest.mark.parametrize("error", [ValueError("invalid argument"), OSError("invalid argument")])
def test_a_limit_that_is_called_infinite_may_not_be(
    soft: int, most: int, raised: int, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = Limits(soft, resource.RLIM_INFINITY, most=most, error=error)
    monkeypatch.setattr(resource, "getrlimit", system.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", system.setrlimit)
    raise_limit()
    assert system.limits == (raised, resource.RLIM_INFINITY)


@pytest.mark.parametrize(
    ("soft", "wanted", "fits"),
    [(OTHERS + 1, 256, 1), (256, 256, 256 - OTHERS), (1024, 256, 256),
     (resource.RLIM_INFINITY, 10_000, 10_000)],
)  # fmt: skip
def test_calls_at_the_same_time_are_as_many_as_files_may_be_open(
    soft: int, wanted: int, fits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert fitting(wanted, key="rate.in_flight_max") == fits


def test_without_room_for_one_call_it_is_said_how_much_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (OTHERS, OTHERS))
    assert room() == 0
    with pytest.raises(ConfigError, match=f"may have {OTHERS} files open") as caught:
        fitting(256, key="rate.in_flight_max")
    assert f"ulimit -n {OTHERS + 256}" in caught.value.hint
