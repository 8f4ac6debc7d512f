"""run: a root process on a loop of its own, and an end that leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, Protocol, TypeVar, TypeVarTuple, cast, overload

from fastask._core.errors import Exit
from fastask._core.process import Process
from fastask._core.reason import SHUTDOWN
from fastask._core.scheduler import Scheduler, scheduler_for
from fastask._core.start import check_seconds, start_root
from fastask._core.verb import exit

__all__ = ["run"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
Main = Callable[..., Any] | Coroutine[Any, Any, Any]


class Tree(Protocol):
    """A supervisor that is not started."""

    async def _run_as_root(self) -> None: ...

    def _judge(self, reason: Any) -> None: ...


# An async function comes first: it is a function that returns an awaitable, too.
@overload
def run(
    main: Callable[[*Ts], Awaitable[T]],
    *args: *Ts,
    debug: bool | None = ...,
    loop_factory: LoopFactory | None = ...,
    handle_signals: bool = ...,
    grace: float = ...,
) -> T: ...
@overload
def run(
    main: Callable[[*Ts], T],
    *args: *Ts,
    debug: bool | None = ...,
    loop_factory: LoopFactory | None = ...,
    handle_signals: bool = ...,
    grace: float = ...,
) -> T: ...
@overload
def run(
    main: Coroutine[Any, Any, T],
    *,
    debug: bool | None = ...,
    loop_factory: LoopFactory | None = ...,
    handle_signals: bool = ...,
    grace: float = ...,
) -> T: ...
@overload
def run(
    main: Tree,
    *,
    debug: bool | None = ...,
    loop_factory: LoopFactory | None = ...,
    handle_signals: bool = ...,
    grace: float = ...,
) -> None: ...
def run(
    main: Main | Tree,
    *args: object,
    debug: bool | None = None,
    loop_factory: LoopFactory | None = None,
    handle_signals: bool = True,
    grace: float = 5.0,
) -> Any:
    """Run `main(*args)` as the root process of a new event loop.

    On uvloop (winloop on Windows), or asyncio's own loop where neither is installed.
    When the root process ends, the others get the exit signal `SHUTDOWN`, and `KILL`
    after `grace` seconds; `run` returns when the last one has ended. SIGINT and SIGTERM
    send `SHUTDOWN` to the root process; a second signal stops hard. SIGBREAK of Windows
    (Ctrl+Break, a console that is closed) does what SIGTERM does. A signal that comes
    when the root process has returned is raised when the others have ended.

    A supervisor that is not started, as `main`, is run as an application: until such a
    signal, after which it stops its children in order, or until it ends by itself.

    Args:
        main: An async function, a plain function, a coroutine object or a supervisor.
        args: Positional arguments of `main`.
        debug: Whether the loop and fastask check more: among others, the stall watchdog
            reports what blocks the loop. None leaves it to asyncio's own settings.
        loop_factory: Makes the event loop.
        handle_signals: Whether to handle these signals; only in the main thread.
        grace: Seconds that a process may take to unwind after an exit signal.

    Returns:
        What `main` returned; None of a supervisor that stopped in order.

    Raises:
        KeyboardInterrupt: After SIGINT; for a supervisor, after the second.
        SystemExit: With code 143, after SIGTERM (149 after SIGBREAK); for a supervisor,
            after the second. With code 1, when the supervisor gave up or crashed.
        Exit: If an exit signal with a reason that is no exception ended the root
            process.
        RuntimeError: If an event loop is running in this thread.
        BaseException: What the root process ended with.

    Example:
        ```python
        import fastask

        async def main(name: str) -> str:
            return f"hello {name}"

        assert fastask.run(main, "world") == "hello world"
        ```
    """
    tree = cast(Tree, main) if hasattr(main, "_run_as_root") else None
    root = cast(Main, main) if tree is None else tree._run_as_root
    _check(root, grace, loop_factory, debug, handle_signals)
    return _Run(grace, tree).complete(root, args, loop_factory, debug, handle_signals)


def default_loop() -> asyncio.AbstractEventLoop:
    """Return a new uvloop, or winloop, or asyncio loop: the first that is installed."""
    with contextlib.suppress(ImportError):
        if sys.platform == "win32":
            import winloop

            return winloop.new_event_loop()  # type: ignore[no-any-return]  # it is untyped
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def _check(
    main: Any,
    grace: object,
    loop_factory: Any,
    debug: object = None,
    handle_signals: object = True,
) -> None:
    error: Exception | None = None
    if not callable(main) and not asyncio.iscoroutine(main):
        error = TypeError(f"main must be an async function, got {main!r}")
    elif loop_factory is not None and not callable(loop_factory):
        error = TypeError(f"loop_factory must be callable, got {loop_factory!r}")
    elif debug is not None and not isinstance(debug, bool):
        error = TypeError(f"debug must be True, False or None, got {debug!r}")
    elif not isinstance(handle_signals, bool):
        error = TypeError(
            f"handle_signals must be True or False, got {handle_signals!r}"
        )
    elif asyncio._get_running_loop() is not None:
        error = RuntimeError("run cannot be called while an event loop is running")
    else:
        try:
            check_seconds("grace", grace)
        except (TypeError, ValueError) as wrong:
            error = wrong
    if error is not None:
        if asyncio.iscoroutine(main):
            main.close()
        raise error


class _Run:
    """One call of `run`, from the first process to the last."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, grace: float, tree: Tree | None) -> None:
        self.grace = grace
        self.tree = tree
        self.root: Process[Any] | None = None
        self.signal: int | None = None
        self.told = False
        self.hard = False

    def complete(
        self,
        main: Main,
        args: tuple[object, ...],
        loop_factory: LoopFactory | None,
        debug: bool | None,
        handle_signals: bool,
    ) -> Any:
        with self._signals(handle_signals):  # an interrupt leaves no loop open
            self.loop = (loop_factory or default_loop)()
            try:
                asyncio.set_event_loop(self.loop)
                if debug is not None:
                    self.loop.set_debug(debug)
                with self._watched(), _waking(self.loop, handle_signals):
                    value = self._run(main, args)
            finally:
                asyncio.set_event_loop(None)
                self.loop.close()
        if self.signal is not None and not self.told and self.tree is None:
            raise _exception_of(self.signal)  # it came when the root had returned
        return value

    def _run(self, main: Main, args: tuple[object, ...]) -> Any:
        try:
            try:
                self.loop.run_until_complete(self._prepare())
                return self._result(main, args)
            finally:
                self._finish(0.0 if self.hard else self.grace)
        except BaseException:
            # A second signal, or the like, cut the end short: stop hard.
            self._finish(0.0)
            raise

    async def _prepare(self) -> None:
        """Make the scheduler while the loop runs: it has hooks to set."""
        scheduler_for(self.loop).default_grace = self.grace

    def _result(self, main: Main, args: tuple[object, ...]) -> Any:
        scheduler = scheduler_for(self.loop)
        root = self.root = scheduler.root = start_root(scheduler, main, *args)
        if self.signal is not None:  # it came when there was no root yet
            self.loop.call_soon(self._shut_root_down)
        try:
            return self.loop.run_until_complete(root)
        except BaseException as error:  # whatever ended the root
            if self.tree is not None and isinstance(error, Exit):
                # It ended, by a signal or by itself, before its root could see that.
                return self.tree._judge(error.reason)
            if self.signal is None or not root.done():
                raise
            raise _exception_of(self.signal) from error

    def _finish(self, grace: float) -> None:
        """Stop what is left: processes, tasks, asynchronous generators, threads."""
        loop = self.loop
        # A `stop` that an end cut short left behind would stop what comes now.
        loop.call_soon(loop.stop)
        loop.run_forever()
        scheduler: Scheduler | None = getattr(loop, "_fastask_scheduler", None)
        # In one go: to enter and to leave a loop takes longer than each of these.
        loop.run_until_complete(self._end(scheduler, grace))
        if scheduler is not None:
            scheduler.close()

    async def _end(self, scheduler: Scheduler | None, grace: float) -> None:
        if scheduler is not None:
            await scheduler.end(grace)
        await self._cancel_tasks()
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()

    async def _cancel_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and task.exception() is not None:
                self.loop.call_exception_handler(
                    {
                        "message": "unhandled exception during the end of fastask.run",
                        "exception": task.exception(),
                        "task": task,
                    }
                )

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        if not self.loop.get_debug():
            yield
            return
        from fastask._watchdog import Watchdog

        with Watchdog(self.loop):
            yield

    @contextlib.contextmanager
    def _signals(self, wanted: bool) -> Iterator[None]:
        if not wanted or not _is_main_thread():
            yield
            return
        before = {}
        for number in _signals():
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            self.hard = True
            raise _exception_of(number)
        self.signal = number
        if self.root is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._shut_root_down)

    def _shut_root_down(self) -> None:
        if self.root is not None and self.root.alive:
            self.told = True
            exit(self.root, SHUTDOWN)


def _signals() -> list[signal.Signals]:
    """Return the signals that end a program in an orderly way."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        numbers.append(signal.SIGBREAK)
    return numbers


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def _waking(loop: asyncio.AbstractEventLoop, wanted: bool) -> Iterator[None]:
    """Have signals wake asyncio's selector loop, as uvloop and a proactor do it.

    One that comes when the loop has just seen that it has nothing to do, and does not
    wait yet, interrupts nothing; nor does any signal on Windows. The loop would hear of
    it when something else happens.
    """
    if not (
        isinstance(loop, asyncio.SelectorEventLoop) and wanted and _is_main_thread()
    ):
        yield
        return
    # What wakes it for other threads does for signals, too.
    socket = loop._csock  # type: ignore[attr-defined,unused-ignore]  # private to asyncio
    before = signal.set_wakeup_fd(socket.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)


def _exception_of(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
