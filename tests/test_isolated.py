"""Programs that have to run alone: what many processes leave behind.

Each runs in an interpreter of its own and prints one JSON line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ISOLATED = Path(__file__).parent / "isolated"

LEAK_PROGRAMS = [
    "tasks",
    "sends",
    "timers_cancelled",
    "timers_fired",
    "stream_items",
    "stream_left",
    "chain",
    "adopted",
    "calls",
    "supervised",
]
LOOPS = ["asyncio", "uvloop"]

MEMORY = 6 * 2**20
"""Bytes that may come and go with the allocator; the smallest leak costs more."""

OBJECTS = 100
"""Objects of a kind that may wait for their turn, such as cancelled timers."""


def figures_of(program: str, *arguments: str) -> dict[str, Any]:
    """Run a program alone and return the JSON object that it prints."""
    done = subprocess.run(
        [sys.executable, str(ISOLATED / f"{program}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=300.0,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.fixture(
    scope="module",
    params=[(program, loop) for program in LEAK_PROGRAMS for loop in LOOPS],
    ids="-".join,
)
def figures(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a leak program says about itself."""
    program, loop = request.param
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    return figures_of("measure", program, loop)


@pytest.mark.slow
class TestLeaks:
    @pytest.mark.skipif(
        "asan" in os.environ.get("LD_PRELOAD", ""),
        reason="AddressSanitizer keeps what is freed, to see who uses it",
    )
    def test_memory_is_given_back(self, figures: dict[str, Any]) -> None:
        assert figures["bytes"] <= MEMORY

    def test_objects_are_freed(self, figures: dict[str, Any]) -> None:
        kept = {kind: n for kind, n in figures["objects"].items() if n > OBJECTS}

        assert kept == {}

    def test_no_message_is_left(self, figures: dict[str, Any]) -> None:
        assert figures["messages"] == 0


class TestAsyncio:
    def test_nothing_in_it_is_patched(self) -> None:
        assert figures_of("untouched")["changed"] == []
