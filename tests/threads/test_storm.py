"""Threads and loops that do everything to each other at once lose and repeat nothing.

`storm.py` does the work in an interpreter of its own, since it changes how often
threads take turns. With FASTASK_NIGHTLY set it does a million operations, else a tenth.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STORM = Path(__file__).parent / "storm.py"
NIGHTLY = bool(os.environ.get("FASTASK_NIGHTLY"))
OPERATIONS = 1_000_000 if NIGHTLY else 100_000
KINDS = {"ends", "exit", "hand over", "name", "send", "timer", "whereis"}

INTERVALS = {"usual-turns": [], "short-turns": ["1e-6"]}


def figures_of(loop: str, interval: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(STORM), loop, str(OPERATIONS), *interval],
        capture_output=True,
        text=True,
        timeout=900.0 if NIGHTLY else 100.0,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("interval", INTERVALS.values(), ids=INTERVALS)
def test_eight_threads_and_four_loops_lose_nothing(
    loop: str, interval: list[str]
) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    figures = figures_of(loop, interval)

    assert figures["faults"] == []
    assert figures["operations"] >= OPERATIONS
    assert figures["done"].keys() == KINDS
