"""Mode `search`: whether a search finds the capacity that the emulator has, in seeded trials.

Each trial draws a campaign's provisioned rate; with its buffer that is what it serves. Trials run
some at a time; what counts is the largest distance between what was found and what is there.
"""

from __future__ import annotations

import argparse
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benching.loadtest_command import CAMPAIGN, EMULATED_ARN, emulator, load_tested

BUFFER_SHARE = 0.2
BURST_S = 0.1
OFF_SHARE_MAX = 0.03
_TIMEOUT_S = 1800.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--trials", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--at-once", type=int, default=4, help="of them (default: 4)")
    parser.add_argument("--step", type=float, default=5.0, help="step_s (default: 5)")


def run(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Run all trials."""
    trials = 2 if options.quick else options.trials
    with ThreadPoolExecutor(options.at_once) as pool:
        found = list(pool.map(lambda seed: trial(seed, options.step, scratch), range(trials)))
    return {"trials": found, "step_s": options.step}


def trial(seed: int, step_s: float, scratch: Path) -> dict[str, Any]:
    """Search on an emulator of its own."""
    folder = scratch / f"trial-{seed}"
    folder.mkdir()
    provisioned = random.Random(seed).randint(20, 150)  # noqa: S311 - repeatable on purpose
    capacity = provisioned * (1 + BUFFER_SHARE)
    recipe = {"name": CAMPAIGN, "recipe": f"aws-{CAMPAIGN}", "min_provisioned_tps": provisioned}
    section = {
        "campaigns": [recipe],
        "capacity": {"buffer_share": BUFFER_SHARE, "burst_s": BURST_S, "scale_out_s": 86_400.0},
        "weather": {"seed": seed, "latency_ms_p50": 20, "latency_ms_p99": 60},
    }
    search = {"tps_start": 10.0, "tps_max": 400.0, "step_s": step_s, "throttle_share_max": 0.002}
    with emulator(section, folder) as address:
        usage, result, _ = load_tested(
            {"search": search, "late_share_max": 1.0},
            folder,
            endpoint=address,
            arn=EMULATED_ARN,
            timeout_s=_TIMEOUT_S,
        )
    held = result["search"]["held_tps"]
    return {
        "seed": seed,
        "capacity": capacity,
        "held_tps": held,
        "off_share": None if held is None else held / capacity - 1,
        "calls": result["total"]["calls"],
        "seconds": usage.wall_s,
    }


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    lines = ["| seed | capacity | found | off by | calls | s |", "|--:|--:|--:|--:|--:|--:|"]
    lines += [
        f"| {each['seed']} | {each['capacity']:.1f} | {each['held_tps'] or 0:.1f} "
        f"| {-1 if each['off_share'] is None else each['off_share']:+.1%} | {each['calls']:,} "
        f"| {each['seconds']:.0f} |"
        for each in found["trials"]
    ]
    within = sum(
        each["off_share"] is not None and abs(each["off_share"]) <= OFF_SHARE_MAX
        for each in found["trials"]
    )
    return "\n".join([*lines, "", f"{within} of {len(found['trials'])} within {OFF_SHARE_MAX:.0%}"])
