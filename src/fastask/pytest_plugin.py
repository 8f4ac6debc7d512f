"""The pytest plugin: async tests run as root processes, and leave nothing behind.

It runs tests with the marker `fastask`, and every async test where
`fastask_mode = auto` is set; tests with the marker of another plugin (`asyncio`,
`anyio`, `trio`) are left to that.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import (
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from typing import Any

import pytest

from fastask._core.process import Process
from fastask._leaks import Crashes, Leaks
from fastask.runtime import run
from fastask.supervisor import Supervisor
from fastask.testing import run as run_in_virtual_time

__all__ = ["Supervised", "VirtualTime"]

MARKER = (
    "fastask(loop_factory=None, seed=None, grace=5.0): run the async test as the root "
    "process of fastask.run"
)
OPTIONS = {"loop_factory", "seed", "grace"}
OUTCOMES = (pytest.fail.Exception, pytest.skip.Exception, pytest.exit.Exception)
OTHERS = ("asyncio", "anyio", "trio")
PENDING = pytest.StashKey[dict[str, "Pending"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting and the option."""
    parser.addini(
        "fastask_mode",
        "auto: run every async test; strict: those with the marker fastask",
        default="strict",
    )
    group = parser.getgroup("fastask")
    group.addoption(
        "--fastask-seed",
        type=int,
        default=None,
        metavar="SEED",
        help="the seed of tests with the fixture virtual_time (by chance)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; check the setting."""
    config.addinivalue_line("markers", MARKER)
    mode = config.getini("fastask_mode")
    if mode not in ("auto", "strict"):
        raise pytest.UsageError(
            f"fastask_mode must be 'auto' or 'strict', got {mode!r}"
        )


# Fixtures.


class Supervised:
    """Starts children under a supervisor of the test, which stops them at its end.

    Elixir: `ExUnit.Callbacks.start_supervised!/2` and `stop_supervised/1`.
    """

    def __init__(self) -> None:
        self._supervisor: Supervisor | None = None

    async def __call__(self, child: Any) -> Process[Any]:
        """Start a child; what is a child to a `Supervisor` is one here.

        Args:
            child: A class, a tuple of a class and its arguments, a `ChildSpec`, a
                supervisor that is not started, an async function, `Every` or `Cron`.

        Returns:
            Its process.

        Raises:
            StartError: If it does not start.
        """
        if self._supervisor is None:
            self._supervisor = await Supervisor.start_link([], max_restarts=1_000_000)
        process = await self._supervisor.start_child(child)
        assert process is not None, f"{child!r} said that it is to be ignored"
        return process

    async def stop(self, id: Hashable) -> None:
        """Stop a child, and forget it.

        Raises:
            ChildNotFoundError: If no child has that id.
        """
        assert self._supervisor is not None, f"no child was started, so none is {id!r}"
        await self._supervisor.terminate_child(id)
        await self._supervisor.delete_child(id)

    async def _end(self) -> None:
        supervisor, self._supervisor = self._supervisor, None
        process = None if supervisor is None else supervisor.process
        if supervisor is not None and process is not None and process.alive:
            await supervisor.stop()


class VirtualTime:
    """The clock of a test that runs in virtual time."""

    seed: int
    """What decides the order of the run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def time(self) -> float:
        """Return the seconds since the test began."""
        return asyncio.get_running_loop().time()


@pytest.fixture
def supervised() -> Supervised:
    """Start children that are stopped, in reverse order, at the end of the test.

    `process = await supervised(Stack)`; `await supervised.stop(id)` stops one before.
    """
    return Supervised()


@pytest.fixture
def virtual_time(request: pytest.FixtureRequest) -> VirtualTime:
    """Run the test as `fastask.testing.run` does: time jumps, a seed decides the order.

    The seed is that of the marker, `@pytest.mark.fastask(seed=1)`, or that of the
    option `--fastask-seed`, or one by chance, which a failure tells.
    """
    seed: int | None = _options(request.node).get("seed")
    if seed is None:
        seed = request.config.getoption("--fastask-seed")
    return VirtualTime(random.SystemRandom().getrandbits(32) if seed is None else seed)


@pytest.fixture
def crashes() -> Iterator[list[Any]]:
    """Read the crashes that nobody observed: they do not fail the test then.

    A list of log records, oldest first; `record.exit_reason` is what it crashed with,
    `record.process_function` what crashed.
    """
    with Crashes() as collected:
        yield collected.records
    collected.records.clear()  # pytest keeps the value of a fixture for a while


# Async fixtures: they run in the root process of the test.


class Pending:
    """An async fixture that a test has asked for, before the test runs."""

    def __init__(self, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
        self.function = function
        self.arguments = arguments
        self.value: Any = None

    async def enter(self, stack: AsyncExitStack) -> None:
        """Run the fixture up to its value; the stack runs the rest at the end."""
        arguments = {name: settled(value) for name, value in self.arguments.items()}
        if inspect.isasyncgenfunction(self.function):
            context = asynccontextmanager(self.function)(**arguments)
            self.value = await stack.enter_async_context(context)
        else:
            self.value = await self.function(**arguments)


def settled(value: Any) -> Any:
    """Return what stands for a fixture: its value, also that of an async one."""
    return value.value if isinstance(value, Pending) else value


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> object:
    """Put an async fixture of one of our tests off until the test runs."""
    function = fixturedef.func
    item = request.node
    if not isinstance(item, pytest.Function) or not _is_ours(item):
        return None
    if not (
        inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    ):
        _refuse_pending(item, fixturedef)
        return None
    arguments = {name: request.getfixturevalue(name) for name in fixturedef.argnames}
    if inspect.ismethod(function):
        function = function.__func__
    if next(iter(inspect.signature(function).parameters), None) == "self":
        function = functools.partial(function, request.instance)
    pending = Pending(function, arguments)
    item.stash.setdefault(PENDING, {})[request.fixturename or ""] = pending
    # What pytest's own hook does; its type is narrower than what a fixture may be.
    fixturedef.cached_result = (pending, fixturedef.cache_key(request), None)  # type: ignore[arg-type]
    return pending


def _refuse_pending(item: pytest.Function, fixturedef: pytest.FixtureDef[Any]) -> None:
    """Fail where a plain fixture needs the value of an async one, which comes later."""
    for name in fixturedef.argnames:
        if name in item.stash.get(PENDING, {}):
            pytest.fail(
                f"the fixture {fixturedef.argname!r} must be async to use the async "
                f"fixture {name!r}",
                pytrace=False,
            )


# Tests.


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test as a root process, and fail it when it leaves something."""
    if not _is_ours(pyfuncitem):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    hypothesis = getattr(pyfuncitem.obj, "hypothesis", None)
    if hypothesis is None:
        _run(pyfuncitem, functools.partial(_test_of(pyfuncitem), **arguments))
        return True
    # Hypothesis calls the inner test once for every example.
    inner = hypothesis.inner_test
    if not inspect.iscoroutinefunction(inner):
        return None

    @functools.wraps(inner)
    def example(*args: Any, **kwargs: Any) -> None:
        _run(pyfuncitem, functools.partial(inner, *args, **kwargs))

    hypothesis.inner_test = example
    try:
        pyfuncitem.obj(**arguments)
    finally:
        hypothesis.inner_test = inner
    return True


def _test_of(item: pytest.Function) -> Callable[..., Any]:
    test: Callable[..., Any] = inspect.unwrap(item.obj)
    return test


def _is_ours(item: pytest.Function) -> bool:
    test = getattr(item.obj, "hypothesis", None)
    inner = _test_of(item) if test is None else test.inner_test
    if not inspect.iscoroutinefunction(inner):
        return False
    if item.get_closest_marker("fastask") is not None:
        return True
    if any(item.get_closest_marker(name) is not None for name in OTHERS):
        return False
    return bool(item.config.getini("fastask_mode") == "auto")


def _options(item: pytest.Item) -> dict[str, Any]:
    marker = item.get_closest_marker("fastask")
    if marker is None:
        return {}
    if marker.args or not OPTIONS.issuperset(marker.kwargs):
        raise pytest.UsageError(
            f"the marker fastask takes {', '.join(sorted(OPTIONS))} by name, "
            f"got {marker.args!r} and {marker.kwargs!r}"
        )
    return dict(marker.kwargs)


def _run(item: pytest.Function, test: Callable[[], Any]) -> None:
    """Run one test, or one example of one."""
    options = _options(item)
    seed = options.pop("seed", None)
    factory: Any = options.pop("loop_factory", None)
    if factory is None:
        factory = item.funcargs.get("loop_factory")
    reads_crashes = bool({"crashes", "caplog"} & set(item.fixturenames))
    with nullcontext() if reads_crashes else Crashes() as crashes:
        leaks = Leaks(crashes)
        verdict = Verdict()
        clock = item.funcargs.get("virtual_time")
        with verdict.raised():
            if isinstance(clock, VirtualTime):
                words = f" (seed={clock.seed})"
                run_in_virtual_time(
                    _root, item, leaks, verdict, test, seed=clock.seed, **options
                )
            elif seed is None:
                words = ""
                run(_root, item, leaks, verdict, test, loop_factory=factory, **options)
            else:
                raise pytest.UsageError("a seed needs the fixture virtual_time")
    if leaks.found:
        lines = "".join(f"\n    {line}" for line in leaks.found)
        pytest.fail(f"the test left something behind{words}:{lines}", pytrace=False)


class Verdict:
    """What ends a test where no code of its own does: a callback of its loop.

    uvloop calls handlers of signals from one, so that of `pytest-timeout`. A loop would
    only log what is raised there, and a test that hangs would go on.
    """

    def __init__(self) -> None:
        self.outcome: BaseException | None = None

    def watch(self) -> None:
        """Take over the exception handler of the running loop."""
        asyncio.get_running_loop().set_exception_handler(self._handle)

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OUTCOMES):
            self.outcome = error
            loop.stop()
        else:
            loop.default_exception_handler(context)

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Raise the outcome where the run is over, in place of how it ended."""
        try:
            yield
        finally:
            if self.outcome is not None:
                raise self.outcome


async def _root(
    item: pytest.Function, leaks: Leaks, verdict: Verdict, test: Callable[[], Any]
) -> None:
    """The root process of a test."""
    leaks.watch()
    verdict.watch()
    async with _fixtures(item) as values:
        supervised = item.funcargs.get("supervised")
        try:
            await functools.partial(test, **values)()
        finally:
            if isinstance(supervised, Supervised):
                await supervised._end()
    await leaks.look()


@asynccontextmanager
async def _fixtures(item: pytest.Function) -> AsyncIterator[dict[str, Any]]:
    """The values of the async fixtures of a test, which end with it."""
    pending = item.stash.get(PENDING, {})
    async with AsyncExitStack() as stack:
        for fixture in pending.values():
            await fixture.enter(stack)
        yield {
            name: fixture.value
            for name, fixture in pending.items()
            if name in item._fixtureinfo.argnames
        }
