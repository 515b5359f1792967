"""Gates, reports and differences, with the real commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    success,
    user_ids,
    write_parquet,
    write_users,
)
from support.scripts import Reply, asked_for, echo, items, serving
from support.services import Request

POPULAR = ("p1", "p2", "p3")


def _half_unknown(request: Request) -> Reply:
    """Answer even users with items of their own, and all others with the same."""
    user = asked_for(request)
    return items(f"a-{user}", f"b-{user}", "c") if int(user[1:]) % 2 == 0 else items(*POPULAR)


def _quality(output: Path, name: str = "_SUCCESS") -> dict[str, Any]:
    return dict(json.loads((output / name).read_text())["quality"])


@pytest.mark.parametrize("layout", ["nested", "exploded"])
def test_a_run_that_passes_its_gates_says_so_and_has_a_report(
    layout: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 40)
    gates = {"fallback_share_max": 0.5, "empty_share_max": 0.0, "distinct_items_min": 43}
    with serving(_half_unknown) as service:
        target, output = {"endpoint_url": service.url}, {"layout": layout}
        result = command("run", write_config(target=target, output=output, quality=gates))
    assert result.returncode == 0, result.stderr
    output_path = tmp_path / "out"
    quality = _quality(output_path)
    seen = {"fallback_rows": 20, "fallback_share": 0.5, "empty_rows": 0, "distinct_items": 44}
    assert quality.items() >= seen.items()
    assert [gate["passed"] for gate in quality["gates"]] == [True, True, True]
    page = (output_path / "_report.html").read_text()
    assert "Done: every row has a result" in page
    assert "50.0 %" in page
    assert not (output_path / "_QUALITY_FAILED").exists()
    assert "_report.html" not in str(success(output_path)["parts"])


def test_a_broken_gate_ends_with_5_and_nobody_takes_the_results(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 40)
    output = tmp_path / "out"
    with serving(_half_unknown) as service:
        config = write_config(
            target={"endpoint_url": service.url}, quality={"fallback_share_max": 0.4}
        )
        result = command("run", config, "--json")
        assert_advice(
            result, 5, "fallback_share_max: 0.5 seen, 0.4 allowed at most", "_report.html"
        )
        calls = len(service.received)
        assert json.loads(result.stdout)["quality"] == _quality(output, "_QUALITY_FAILED")
        assert not (output / "_SUCCESS").exists()
        assert "Quality gate failed" in (output / "_report.html").read_text()

        # The same again; then with another limit, and back: no call is made for that.
        assert command("run", config).returncode == 5
        wider = command("run", config, "--set", "quality.fallback_share_max=0.5")
        assert wider.returncode == 0, wider.stderr
        assert (output / "_SUCCESS").exists()
        assert not (output / "_QUALITY_FAILED").exists()
        assert "Done: every row" in (output / "_report.html").read_text()
        assert command("run", config).returncode == 5
        assert not (output / "_SUCCESS").exists()
        assert len(service.received) == calls == 40


def test_a_gate_holds_the_run_against_the_one_before(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 40)
    with serving(_half_unknown) as before, serving(echo) as after:
        old = write_config("old.toml", target={"endpoint_url": before.url})
        assert command("run", old).returncode == 0
        new = {"target": {"endpoint_url": after.url}, "output": {"path": tmp_path / "new"}}
        gate = {"overlap_with_previous_min": 0.9, "previous": tmp_path / "out"}
        result = command("run", write_config(**new, quality=gate))
        assert_advice(result, 5, "overlap_with_previous_min: 0 seen, 0.9 wanted at least")
        copied = {"target": {"endpoint_url": before.url}, "output": {"path": tmp_path / "copy"}}
        assert command("run", write_config(**copied, quality=gate)).returncode == 0
        assert _quality(tmp_path / "copy")["overlap_with_previous"] == 1


@pytest.mark.parametrize(
    ("quality", "says"),
    [
        ({"previous": "nowhere"}, "quality.overlap_with_previous_min"),
        ({"overlap_with_previous_min": 0.5}, "quality.previous"),
        ({"overlap_with_previous_min": 0.5, "previous": "nowhere"}, "nowhere holds no run"),
        ({"overlap_with_previous_min": 0.5, "previous": "out"}, "this run's own output"),
        ({"empty_share_max": 2}, "quality.empty_share_max"),
        ({"fallback_share": 0.1}, "did you mean quality.fallback_share_max?"),
    ],
)
def test_gates_that_cannot_be_held_are_said_before_any_call(
    quality: dict[str, Any],
    says: str,
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, quality=quality)
        assert_advice(command("run", config), 2, says)
        assert service.received == []


def test_no_report_is_no_reason_to_fail(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    (tmp_path / "out" / "_report.html").mkdir(parents=True)  # no file can have this name now
    with serving(echo) as service:
        result = command("run", write_config(target={"endpoint_url": service.url}))
    assert result.returncode == 0, result.stderr
    assert "no report" in result.stderr
    assert success(tmp_path / "out")["results"] == 3


def test_report_is_made_anew_from_the_files_of_any_run(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 30)
    output = tmp_path / "out"
    with serving(_half_unknown) as service:
        config = write_config(target={"endpoint_url": service.url}, output={"rows_per_part": 10})
        assert command("run", config).returncode == 0
    written = (output / "_report.html").read_text()
    (output / "_report.html").unlink()
    result = command("report", output)
    assert (result.returncode, result.stdout) == (0, f"{output}/_report.html\n"), result.stderr
    again = (output / "_report.html").read_text()
    assert again.split("<footer>")[0] == written.split("<footer>")[0]
    (output / "_SUCCESS").unlink()
    (output / "part-00001.parquet").unlink()
    assert command("report", "out").returncode == 0
    assert "Not finished: 2 of 3 parts" in (output / "_report.html").read_text()


def test_report_and_diff_of_no_run_end_with_2(tmp_path: Path, command: RunCommand) -> None:
    (tmp_path / "empty").mkdir()
    assert_advice(command("report", "empty"), 2, "empty holds no run")
    assert_advice(command("diff", "empty", "nowhere"), 2, "empty holds no run")


def test_diff_tells_people_programs_and_browsers_what_changed(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 40)
    with serving(_half_unknown) as old, serving(echo) as new:
        assert command("run", write_config(target={"endpoint_url": old.url})).returncode == 0
        write_parquet(tmp_path / "users.parquet", {"USER_ID": user_ids(50)[20:]})
        output = {"path": tmp_path / "new", "layout": "exploded"}
        config = write_config(target={"endpoint_url": new.url}, output=output)
        assert command("run", config).returncode == 0
    result = command("diff", "out", "new")
    assert (result.returncode, result.stderr) == (0, "")
    assert "20; 20 only old, 10 only new" in result.stdout
    numbers = json.loads(command("diff", "out", "new", "--json", "--html", "diff.html").stdout)
    assert numbers["rows"]["both"] == 20
    assert numbers["overlap"]["10"] == 0
    assert numbers["fallback"] == {"old": 20, "new": 0, "became": 0, "no_longer": 10}
    assert "Two runs compared" in (tmp_path / "diff.html").read_text()
    assert_advice(command("diff", "out", "new", "--html", "no/folder.html"), 2, "no/folder.html")
