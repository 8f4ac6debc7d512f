"""Programs that may take their interpreter down: each runs in one of its own."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"

NO_MEMORY = [
    "spawn",
    "crash",
    "messages",
    "tasks",
    "task_messages",
    "links",
    "exits",
    "monitors",
    "timers",
    "server",
    "server_crash",
    "supervisor",
    "stream",
    "names",
]


def output_of(program: str, *arguments: str, **environment: str) -> str:
    """Run a program; it must end well, and say nothing on stderr."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", f"{PROGRAMS / program}.py", *arguments],
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None, reason="Python without its tests"
)
@pytest.mark.parametrize("scenario", NO_MEMORY)
def test_an_allocation_that_fails_leaves_a_consistent_state(scenario: str) -> None:
    assert output_of("no_memory", scenario).startswith("failed in turn: ")


def test_a_loop_may_be_closed_under_its_processes() -> None:
    assert output_of("closed_loop", PYTHONMALLOC="debug") == "closed\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_in_the_middle_leaves_both_sides_whole() -> None:
    assert output_of("fork") == "forked\n"


@pytest.mark.parametrize("way", ["plain", "exit", "hard", "atexit", "thread"])
def test_the_interpreter_ends_with_work_in_flight(way: str) -> None:
    output = output_of("interpreter_exit", way, PYTHONMALLOC="debug")

    assert output == "leaving\n"


@pytest.mark.slow
def test_an_interrupt_anywhere_ends_the_run_and_leaves_nothing() -> None:
    assert output_of("interrupted").startswith("interrupted: ")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signals here")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_handlers_of_signals_use_the_core_in_the_middle(loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")

    assert output_of("signal_handlers", loop) == "handled\n"


@pytest.mark.slow
def test_a_stack_that_is_too_small_is_an_error_of_who_needed_it() -> None:
    assert output_of("recursion") == "deep enough\n"
