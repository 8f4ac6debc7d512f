"""What `import fastask` brings in, what its first use does, and what waits longer.

Time depends on the machine, and is printed by `python -m bench.shipping`; the number of
modules does not, and is what makes the time.
"""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import pytest

import fastask

LATER = [
    *("uvloop", "winloop", "asyncpg", "cronsim", "tqdm"),
    *("argparse", "multiprocessing", "pickle", "random", "zoneinfo"),
    *("fastask.demo", "fastask.application", "pytest"),
    *("fastask._virtual_loop", "fastask._watchdog", "fastask._core.worker"),
    *("queue", "concurrent.futures.thread"),
]
OTHER_MODULES = 20
"""Modules of Python's that asyncio does without; there are eleven on 3.11."""

MODULES = [
    *(f"fastask.{module.name}" for module in pkgutil.iter_modules(fastask.__path__)),
    *("fastask._nodes.events", "fastask._nodes.local_worker", "fastask._core.task"),
]

PROGRAM = """
import json, sys, time
import asyncio
before, began = set(sys.modules), time.perf_counter()
import fastask
fastask.run
seconds = time.perf_counter() - began
print(json.dumps([seconds, sorted(sys.modules.keys() - before)]))
"""


@pytest.fixture(scope="module")
def imported() -> tuple[float, list[str]]:
    """Seconds and new modules of a first use in a new interpreter, at best."""
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", PROGRAM],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for _ in range(3)
    ]
    return min(seconds for seconds, _ in runs), runs[0][1]


def run_program(program: str) -> str:
    """Run some lines in a new interpreter and return what they print."""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return run.stdout


@pytest.mark.parametrize("module", LATER)
def test_leaves_alone_what_not_every_program_needs(
    module: str, imported: tuple[float, list[str]]
) -> None:
    assert module not in imported[1]


def test_brings_in_little_beside_itself(imported: tuple[float, list[str]]) -> None:
    others = [name for name in imported[1] if not name.startswith("fastask")]

    assert len(others) <= OTHER_MODULES, others


def test_takes_no_noticeable_time(imported: tuple[float, list[str]]) -> None:
    # Ten times what it takes: only a mistake is that slow, on whatever machine.
    assert imported[0] < 0.2


def test_gives_the_module_for_tests_when_it_is_asked_for() -> None:
    program = "import fastask; print(fastask.testing.run.__module__)"

    assert run_program(program) == "fastask.testing\n"


def test_gives_all_names_to_a_star_import() -> None:
    program = (
        "from fastask import *; import fastask\nprint(set(fastask.__all__) - {*dir()})"
    )

    assert run_program(program) == "set()\n"


def test_gives_what_is_asked_for_and_its_neighbours_at_once() -> None:
    program = "import fastask; fastask.Every; print('Cron' in vars(fastask))"

    assert run_program(program) == "True\n"


def test_brings_in_nothing_before_the_first_use() -> None:
    program = """
import sys, fastask
fastask.__version__, fastask.__path__, getattr(fastask, "__wrapped__", None)
print([name for name in sys.modules if name.startswith(("asyncio", "fastask."))])
"""

    assert run_program(program) == "[]\n"


def test_is_a_plain_module_from_the_first_use_on() -> None:
    # One with a `__getattr__` is slower in the names that it has, too.
    program = "import fastask; fastask.run; print('__getattr__' in vars(fastask))"

    assert run_program(program) == "False\n"


def test_is_loaded_by_many_threads_at_once() -> None:
    program = """
import threading, fastask
gate, found = threading.Barrier(8), []
def use():
    gate.wait()
    found.append(fastask.async_)
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(found), len(set(found)))
"""

    assert run_program(program) == "8 1\n"


@pytest.mark.parametrize("module", MODULES)
def test_lets_any_module_be_the_first(module: str) -> None:
    # Dataclasses of Python 3.15 look for their types where a class says it is from.
    assert run_program(f"import {module}; print(fastask.Task.__name__)") == "Task\n"


def test_gives_a_name_and_not_a_module_whatever_is_imported_first() -> None:
    program = """
import pkgutil, fastask
for module in pkgutil.iter_modules(fastask.__path__, "fastask."):
    if module.name not in ("fastask.__main__", "fastask.pytest_plugin"):
        __import__(module.name)
there = vars(fastask)
print([name for name in fastask.__all__ if hasattr(there.get(name), "__spec__")])
"""

    assert run_program(program) == "[]\n"


def test_lists_names_that_wait_until_they_are_needed() -> None:
    program = (
        "import fastask; print({*fastask.__all__, 'testing', 'sys'} - {*dir(fastask)})"
    )

    assert run_program(program) == "set()\n"


def test_says_so_when_a_name_is_missing() -> None:
    with pytest.raises(AttributeError, match="module 'fastask' has no attribute 'go'"):
        _ = fastask.go  # type: ignore[attr-defined]  # it is not
