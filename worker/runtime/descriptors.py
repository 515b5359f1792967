"""How many files and connections this process may have open, and what fits into that."""

from __future__ import annotations

import resource

from worker.errors import ConfigError

# macOS takes no more than the second for a limit that is called infinite.
_WANTED = (65_536, 10_240)
# All but connections to the service: spools and parts, the input, standard streams, the event loop,
# a name server, a command that brings credentials, what the interpreter reads.
OTHERS = 64
_UNBOUNDED = 1 << 20


def raise_limit() -> None:
    """Have this process, and those it starts, open as many files as it may.

    A shell gives 256 on macOS and 1,024 on Linux, and means no harm by it. For a process of one's
    own.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    for wanted in _WANTED:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if most <= soft:
            return
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (ValueError, OSError):
            continue
        return


def room() -> int:
    """Return how many files may be open beside what a process has open anyway; 0 or less: none."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (_UNBOUNDED if soft == resource.RLIM_INFINITY else soft) - OTHERS


def fitting(in_flight_max: int, *, key: str) -> int:
    """Return how many calls may be open at the same time, and say so where it is fewer.

    Raises ConfigError when there is no room for one. `key` is that which asks for so many.
    """
    most, wanted = room(), f"ulimit -n {OTHERS + in_flight_max}"
    if most < 1:
        raise ConfigError(
            f"this process may have {OTHERS + most} files open, and needs {OTHERS} beside its "
            "connections",
            hint=f"allow it more: {wanted}",
        )
    if most < in_flight_max:
        from worker.runtime import log  # noqa: PLC0415 - brings orjson, which --help needs not

        log.warning(
            "fewer calls at the same time",
            key=key,
            wanted=in_flight_max,
            now=most,
            reason=f"this process may have {OTHERS + most} files open: {wanted}",
        )
    return min(in_flight_max, most)
