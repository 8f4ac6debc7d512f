"""The loop matrix and the rule that nothing outlives a test.

An `async def test_...` runs as the root process of `fastask.run`, once on asyncio's
own loop and once on uvloop. A test that needs `run` itself is a plain function that
takes the fixture `run`, which is `fastask.run` bound to the loop under test.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

import fastask

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment,unused-ignore]  # Windows has no uvloop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

LOOPS: dict[str, LoopFactory] = {"asyncio": asyncio.SelectorEventLoop}
if uvloop is not None:
    LOOPS["uvloop"] = uvloop.new_event_loop


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every async test, and every test that asks for a loop, the loop matrix."""
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.fixturenames.append("loop_factory")
    if "loop_factory" in metafunc.fixturenames:
        metafunc.parametrize("loop_factory", LOOPS.values(), ids=LOOPS.keys())


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take the tests themselves out of the collections that follow each of them."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test as a root process and check that nothing outlives it."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    fastask.run(
        _alone,
        functools.partial(test, **arguments),
        loop_factory=cast(LoopFactory, pyfuncitem.callspec.params["loop_factory"]),
        grace=1.0,
    )
    return True


async def _alone(test: Callable[[], Any]) -> None:
    await test()
    me = fastask.self_()
    left = [process for process in fastask.processes() if process is not me]
    assert not left, f"still alive after the test: {left}"


@pytest.fixture
def run(loop_factory: LoopFactory) -> Callable[..., Any]:
    """`fastask.run` on the loop under test."""
    return functools.partial(fastask.run, loop_factory=loop_factory, grace=1.0)


@pytest.fixture(autouse=True)
def no_thread_of_ours_is_left() -> Iterator[None]:
    """Fail a test that leaves one of fastask's worker threads behind."""
    yield
    gc.collect()
    ours = [t for t in threading.enumerate() if t.name.startswith("fastask")]
    for thread in ours:
        thread.join(5.0)
    left = [thread.name for thread in ours if thread.is_alive()]
    assert not left, f"threads left behind: {left}"
