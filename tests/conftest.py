"""The loop matrix and the rule that nothing outlives a test.

An `async def test_...` runs as the root process of `fastask.run`, by the pytest plugin
that users have too, once on asyncio's own loop and once on uvloop. A test that needs
`run` itself is a plain function that takes the fixture `run`, which is `fastask.run`
bound to the loop under test.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import pkgutil
import signal
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

import pytest
from _pytest.logging import caplog_records_key

import fastask
import fastask._core
from fastask._core.census import COUNTS, count, counts

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment,unused-ignore]  # Windows has no uvloop

if not any(point.name == "fastask" for point in entry_points(group="pytest11")):
    pytest_plugins = ["fastask.pytest_plugin"]  # the tests run from a checkout

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Who runs us in the background does not mean the programs that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

HEAP_TYPE = 1 << 9
"""The flag of types that were made by `class` in Python."""

LOOPS: dict[str, LoopFactory] = {"asyncio": asyncio.SelectorEventLoop}
if sys.platform == "win32":
    LOOPS["proactor"] = asyncio.ProactorEventLoop
    if find_spec("winloop") is not None:
        LOOPS["winloop"] = import_module("winloop").new_event_loop
elif uvloop is not None:
    LOOPS["uvloop"] = uvloop.new_event_loop


if COUNTS:
    count(
        {
            kind
            for module in pkgutil.iter_modules(fastask._core.__path__)
            for kind in vars(import_module(f"fastask._core.{module.name}")).values()
            if isinstance(kind, type) and not kind.__flags__ & HEAP_TYPE
            if kind.__module__.startswith("fastask")
        }
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every async test, and every test that asks for a loop, the loop matrix."""
    names = metafunc.fixturenames
    if "loop_factory" in names or inspect.iscoroutinefunction(metafunc.function):
        if "loop_factory" not in names:
            names.append("loop_factory")  # else it is an argument that no test takes
        metafunc.parametrize("loop_factory", LOOPS.values(), ids=LOOPS.keys())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what a test leaves behind unwind for a second, not for five."""
    for item in items:
        item.add_marker(pytest.mark.fastask(grace=1.0))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take the tests themselves out of the collections that follow each of them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def loop_of_an_async_test(request: pytest.FixtureRequest) -> None:
    """Hand the loop to the plugin, which takes it from where a test's arguments are."""
    # pytest forgets a name that was appended to those of a test, and keeps its value.
    if inspect.iscoroutinefunction(request.function):
        request.node.funcargs["loop_factory"] = request.getfixturevalue("loop_factory")


@pytest.fixture
def run(loop_factory: LoopFactory) -> Callable[..., Any]:
    """`fastask.run` on the loop under test."""
    return functools.partial(fastask.run, loop_factory=loop_factory, grace=1.0)


@pytest.fixture
def bare_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers import nothing as their main module; else it would be pytest."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


@pytest.fixture(autouse=True)
def what_was_made_is_freed(request: pytest.FixtureRequest) -> Iterator[None]:
    """In a debug build, fail a test after which objects of the core are left."""
    if not COUNTS:
        yield
        return
    gc.collect()
    before = alive()
    yield
    forget_reports(request.node)
    forget_frames(request.node)
    forget_what_dask_keeps()
    request.node.funcargs.clear()  # a loop among them has its scheduler
    while gc.collect():  # finds what a finalizer let go of, or revived, the next time
        forget_reports(request.node)
    left = {kind: n - before[kind] for kind, n in alive().items() if n > before[kind]}
    assert not left, f"objects left behind: {left}"


def forget_reports(test: pytest.Item) -> None:
    """Let go of what was logged: it names processes, and what finalizers closed."""
    for records in test.stash[caplog_records_key].values():
        records.clear()


def forget_frames(test: pytest.Item) -> None:
    """Let go of the frames of errors that live longer than a test: they name processes.

    These are the constants of its module, its parameters, and the error that pytest
    keeps for a debugger when a test fails in a run inside a test.
    """
    held = [*vars(test.getparent(pytest.Module).obj).values()]  # type: ignore[union-attr]  # each of ours is in a module
    if isinstance(test, pytest.Function) and hasattr(test, "callspec"):
        held += test.callspec.params.values()
    for error in held:
        if isinstance(error, BaseException):
            error.__traceback__ = error.__context__ = None
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        sys.__dict__.pop(name, None)


def forget_what_dask_keeps() -> None:
    """Let go of closed loops, which Dask and what it uses hold longer than a test."""
    if "distributed.comm.tcp" not in sys.modules:
        return
    tornado, dask = sys.modules["tornado.ioloop"], sys.modules["distributed.comm.tcp"]
    loops = tornado.IOLoop._ioloop_for_asyncio
    for loop in [loop for loop in loops if loop.is_closed()]:
        del loops[loop]  # Tornado does when it sees another one
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]  # it is private
        about = finalizer.peek()
        if about and isinstance(about[0], dask.TCP) and about[0].closed():
            finalizer.detach()  # a write that failed does not, and holds the stream


def alive() -> dict[str, int]:
    """How many objects of each kind of the core were made and not freed."""
    return {kind: made - freed for kind, (made, freed) in counts().items()}


@pytest.fixture(autouse=True)
def no_thread_of_ours_is_left(what_was_made_is_freed: None) -> Iterator[None]:
    """Fail a test that leaves one of fastask's worker threads behind.

    It waits for them before the census counts: they know their loop until they end.
    """
    yield
    ours = [t for t in threading.enumerate() if t.name.startswith("fastask")]
    if ours:
        gc.collect()  # one ends when its pool does; it costs too much after every test
    for thread in ours:
        thread.join(5.0)
    left = [thread.name for thread in ours if thread.is_alive()]
    assert not left, f"threads left behind: {left}"
