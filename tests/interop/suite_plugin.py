"""A pytest plugin that runs a suite on `fastask.task_factory`, and writes a record.

    python -m pytest -p suite_plugin --fastask-record FILE [--fastask-factory]

Every event loop that `asyncio.new_event_loop` or `uvloop.new_event_loop` makes gets the
factory, whatever runs in it. The record has a JSON line for each outcome of a test, and
one that tells how many tasks of ours were made in it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TypeVar

import pytest

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment,unused-ignore]  # Windows has no uvloop


Loop = TypeVar("Loop", bound=asyncio.AbstractEventLoop)


class Made:
    """How many tasks of ours were made."""

    count = 0


def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
    """Make a task of ours and count it."""
    import fastask

    task = fastask.task_factory(loop, coro, **kwargs)
    Made.count += 1
    return task


def with_factory(new_event_loop: Callable[[], Loop]) -> Callable[[], Loop]:
    """Return what makes loops as `new_event_loop` does, with the factory."""

    @functools.wraps(new_event_loop)  # a suite may ask which module it is from
    def make() -> Loop:
        loop = new_event_loop()
        loop.set_task_factory(factory)
        return loop

    return make


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our two options."""
    parser.addoption("--fastask-factory", action="store_true")
    parser.addoption("--fastask-record", type=Path)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set the factory before a conftest takes a loop factory by name."""
    if not early_config.known_args_namespace.fastask_factory:
        return
    asyncio.set_event_loop_policy(Policy())
    if uvloop is not None:
        uvloop.new_event_loop = with_factory(uvloop.new_event_loop)


class Policy(asyncio.DefaultEventLoopPolicy):
    """asyncio's own, whose loops have the factory."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make a loop with the factory."""
        return with_factory(super().new_event_loop)()


class Record:
    """Collects the outcome of each test: the worst of its three phases."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pid = os.getpid()
        path.write_text("", encoding="utf-8")

    def write(self, **fields: Any) -> None:
        """Write a line; a child that a test forked writes none."""
        if os.getpid() == self.pid:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(fields) + "\n")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item
    ) -> Generator[None, object, object]:
        """Count the tasks that are made in a test."""
        before = Made.count
        result = yield
        self.write(test=item.nodeid, made=Made.count - before)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the outcome of a phase, if it says anything."""
        if report.when == "call" or report.outcome != "passed":
            self.write(
                test=report.nodeid,
                outcome="xfailed" if hasattr(report, "wasxfail") else report.outcome,
                detail=report.longreprtext if report.failed else "",
            )


def pytest_configure(config: pytest.Config) -> None:
    """Begin the record."""
    if path := config.getoption("--fastask-record"):
        config.pluginmanager.register(Record(path), "fastask-record")
