"""Whatever waits costs no CPU time, and nor does anything that was shut down.

`idle.py` runs in an interpreter of its own. CPU time is looked at, and how often the
program woke up; neither depends on what else the machine does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

IDLE = Path(__file__).parent / "idle.py"

CPU = 0.01
"""Seconds of CPU time in one second: one per cent."""

ROUNDS = 5
"""Turns of the loop: one to fall asleep in, one to wake up in, and some to spare."""

MOMENTS = ["waiting", "shut down", "returned"]


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def figures(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the program says about its three seconds."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    done = subprocess.run(
        [sys.executable, str(IDLE), request.param],
        capture_output=True,
        text=True,
        timeout=100.0,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.mark.slow
class TestIdle:
    def test_everything_waited_and_nothing_was_left(
        self, figures: dict[str, Any]
    ) -> None:
        assert figures["processes"] > 11_000
        assert figures["left"] == 0

    @pytest.mark.parametrize("moment", MOMENTS)
    def test_takes_no_cpu_time(self, figures: dict[str, Any], moment: str) -> None:
        assert figures[moment]["cpu"] < CPU

    @pytest.mark.parametrize("moment", MOMENTS)
    def test_does_not_wake_the_program(
        self, figures: dict[str, Any], moment: str
    ) -> None:
        assert figures[moment].get("sleeps", 0) <= 2 * ROUNDS

    @pytest.mark.parametrize("moment", ["waiting", "shut down"])
    def test_does_not_turn_the_loop(self, figures: dict[str, Any], moment: str) -> None:
        assert figures[moment].get("rounds", 0) <= ROUNDS
