"""One module of CPython's own tests of asyncio, run in this process.

    python cpython_module.py test_tasks plain|ours RECORD

Plain, the module runs as CPython runs it. Ours, every event loop that is made has
`fastask.task_factory`, and `AsyncioTask` stands wherever the module names the task
class that is written in C.

RECORD gets one JSON object a line: when a test starts, when it ends, when all have.
Tests that it says were started are left out. A test that hangs ends the process, after
its stack was printed.
"""

from __future__ import annotations

import asyncio
import faulthandler
import functools
import importlib
import json
import sys
import unittest
import warnings
from asyncio import base_events, tasks
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO
from unittest import mock

import fastask
from fastask._core.asyncio_task import AsyncioTask

HANGS = 30.0
"""Seconds that a test may take; the slowest of CPython's takes four."""


class Made:
    """How many tasks of ours were made."""

    count = 0


class CountedCall:
    """The `__call__` of a stand-in for something of ours.

    It counts when it is looked up, and then the original is called: no frame of this
    file is on the stack meanwhile, where some tests would find it.
    """

    def __get__(self, instance: Any, kind: type) -> Any:
        Made.count += 1
        original = vars(instance).get("original")
        return original or functools.partial(type.__call__, instance)


class Factory:
    """Stands in for `fastask.task_factory`."""

    __call__ = CountedCall()  # pyright: ignore[reportAssignmentType]  # one of another kind

    def __init__(self) -> None:
        self.original = fastask.task_factory


class TaskClass(type):
    """Stands in for `AsyncioTask`, and makes nothing else.

    Only a subclass, which some tests derive, has the stand-in among its bases.
    """

    __call__ = CountedCall()  # pyright: ignore[reportAssignmentType]  # it is a method, too

    def __instancecheck__(cls, instance: Any) -> bool:
        original = vars(cls).get("original")
        if original is not None:
            return isinstance(instance, original)
        return super().__instancecheck__(instance)


def place_ours(name: str, patches: ExitStack) -> None:
    """Put our factory and our class into a test module, until `patches` is closed."""
    init, factory = base_events.BaseEventLoop.__init__, Factory()

    def with_factory(loop: Any) -> None:
        init(loop)
        loop.set_task_factory(factory)

    task = TaskClass("Task", (AsyncioTask,), {"original": AsyncioTask})
    # The tests make their loops in five ways, and all of them come by here. `_CTask` is
    # a name that asyncio itself does not use: the tests do.
    patches.enter_context(
        mock.patch.object(base_events.BaseEventLoop, "__init__", with_factory)
    )
    patches.enter_context(mock.patch.object(tasks, "_CTask", task))
    for kind in vars(importlib.import_module(name)).values():
        if isinstance(kind, type) and getattr(kind, "Task", None) is asyncio.Task:
            patches.enter_context(mock.patch.object(kind, "Task", task))


class Recorder(unittest.TestResult):
    """Writes what becomes of each test."""

    def __init__(self, record: TextIO) -> None:
        super().__init__()
        self.record = record
        self.outcome = "passed"
        self.detail = ""
        self.before = 0

    def write(self, **fields: Any) -> None:
        """Write a line, which survives a crash of the next test."""
        self.record.write(json.dumps(fields) + "\n")
        self.record.flush()

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.outcome, self.detail, self.before = "passed", "", Made.count
        self.write(start=test.id())
        faulthandler.dump_traceback_later(HANGS, exit=True)

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)
        self.write_end(test)

    def write_end(self, test: unittest.TestCase) -> None:
        """Write the outcome of a test, or of the set-up of a module or class."""
        self.write(
            test=test.id(),
            outcome=self.outcome,
            made=Made.count - self.before,
            detail=self.detail,
        )

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        """Note that a test, one of its subtests or its set-up failed."""
        self.outcome = "failed"
        self.detail += self._exc_info_to_string(err, test)  # type: ignore[attr-defined]  # private, and the one that cuts unittest's frames
        if not isinstance(test, unittest.TestCase):
            self.write_end(test)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self.addError(test, err)

    def addSubTest(self, test: unittest.TestCase, subtest: Any, err: Any) -> None:
        if err is not None:
            self.addError(test, err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.outcome, self.detail = "skipped", reason

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        self.outcome = "skipped"

    def addUnexpectedSuccess(self, test: Any) -> None:
        self.outcome, self.detail = "failed", "unexpected success"


async def check_factory() -> None:
    """Make sure that what is counted as ours is ours."""
    made = fastask.task_factory(asyncio.get_running_loop(), asyncio.sleep(0))
    await made
    assert issubclass(type(made), AsyncioTask), f"not ours: {made!r}"


def each(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """Yield the tests of a suite."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def main(module: str, mode: str, record: str) -> None:
    """Run what is left of a module and write its record."""
    faulthandler.enable()
    warnings.simplefilter("default")  # as `python -m unittest` does
    name = f"test.test_asyncio.{module}"
    with ExitStack() as patches, Path(record).open("a+", encoding="utf-8") as file:
        file.seek(0)
        begun = {json.loads(line).get("start") for line in file}
        if mode == "ours":
            asyncio.run(check_factory())
            asyncio.set_event_loop_policy(None)  # as if no loop had been set
            place_ours(name, patches)
        loaded = unittest.defaultTestLoader.loadTestsFromName(name)
        chosen = [test for test in each(loaded) if test.id() not in begun]
        recorder = Recorder(file)
        unittest.TestSuite(chosen).run(recorder)
        recorder.write(end=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
