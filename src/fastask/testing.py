"""Deterministic runs: an order of events that a seed decides, and time that jumps.

In a run of `fastask.testing.run` nothing depends on how fast the machine is: which of
the processes that can run goes next is decided by the seed, and the clock jumps to the
next timer when none can. So a race that happens once in a thousand runs happens in
every run of its seed, and an hour of timers takes milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, TypeVarTuple, cast, overload

from fastask._core.errors import FastaskError
from fastask._core.process import Process
from fastask._core.scheduler import scheduler_for
from fastask._core.verb import describe
from fastask._schedule import Schedule
from fastask._virtual_loop import VirtualLoop
from fastask.runtime import Main, Tree, _check, _Run

__all__ = ["DeadlockError", "explore", "run"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
MOST_WAITING_SHOWN = 20
MOST_CHOICES_SHOWN = 2000


class DeadlockError(FastaskError):
    """No process can run, no timer is set, and nothing else can happen any more."""


# An async function comes first: it is a function that returns an awaitable, too.
@overload
def run(
    main: Callable[[*Ts], Awaitable[T]],
    *args: *Ts,
    seed: int | None = ...,
    virtual_time: bool = ...,
    choices: Sequence[int] | None = ...,
    now: datetime | None = ...,
    debug: bool | None = ...,
    grace: float = ...,
) -> T: ...
@overload
def run(
    main: Callable[[*Ts], T],
    *args: *Ts,
    seed: int | None = ...,
    virtual_time: bool = ...,
    choices: Sequence[int] | None = ...,
    now: datetime | None = ...,
    debug: bool | None = ...,
    grace: float = ...,
) -> T: ...
@overload
def run(
    main: Coroutine[Any, Any, T],
    *,
    seed: int | None = ...,
    virtual_time: bool = ...,
    choices: Sequence[int] | None = ...,
    now: datetime | None = ...,
    debug: bool | None = ...,
    grace: float = ...,
) -> T: ...
@overload
def run(
    main: Tree,
    *,
    seed: int | None = ...,
    virtual_time: bool = ...,
    choices: Sequence[int] | None = ...,
    now: datetime | None = ...,
    debug: bool | None = ...,
    grace: float = ...,
) -> None: ...
def run(
    main: Main | Tree,
    *args: object,
    seed: int | None = None,
    virtual_time: bool = True,
    choices: Sequence[int] | None = None,
    now: datetime | None = None,
    debug: bool | None = None,
    grace: float = 5.0,
) -> Any:
    """Run `main(*args)` as `fastask.run` does, in an order that a seed decides.

    Whenever several processes can run, the seed decides which one goes next, and at
    every `await` of fastask whether the others go first. Every order that `fastask.run`
    may show can come up; what `fastask.run` promises of the order (messages of one
    process to another, signals, timers) holds. The same seed gives the same run.

    Time stands while anything can run, and then jumps to the next timer, of fastask or
    of asyncio. (After 10 000 turns of the loop at one instant it creeps, so that what
    spins until it is later does not spin for ever.) A plain function in a thread takes
    no time, and nothing else runs meanwhile, unless it takes longer than a real second.
    While a socket or a pipe is watched, or a child process, time does not jump, but
    goes on as it does outside.

    The loop is asyncio's. Python's cyclic garbage collector does not run by itself.
    What a program takes from elsewhere (`random`, `time.monotonic`, the order of a set
    of strings) is not the seed's.

    Args:
        main: An async function, a plain function, a coroutine object or a supervisor.
        args: Positional arguments of `main`.
        seed: An integer. None for one by chance; a failure tells it.
        virtual_time: Whether time jumps. If not, only the order is the seed's, and a
            run that waits for real time is not the same twice.
        choices: What `explore` found, in the place of a seed.
        now: What the clock on the wall says at the beginning, for `Cron`; aware. None
            for the beginning of the year 2000, UTC.
        debug: As for `fastask.run`.
        grace: As for `fastask.run`, in virtual seconds.

    Returns:
        What `main` returned.

    Raises:
        DeadlockError: If nothing can happen any more; it says who waits for what.
        BaseException: What `fastask.run` would raise. A note on it tells the seed and
            the last steps; stderr has the seed, too.

    Example:
        ```python
        import asyncio
        import fastask
        import fastask.testing

        async def main() -> float:
            begin = asyncio.get_running_loop().time()
            await fastask.sleep(3600)
            return asyncio.get_running_loop().time() - begin

        assert fastask.testing.run(main, seed=1) == 3600
        ```
    """
    options = _Options(virtual_time, _wall_time(now), debug, grace)
    if choices is None:
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed must be an integer or None, got {seed!r}")
        schedule = Schedule(seed)
        words = f"seed={seed}"
    else:
        if seed is not None:
            raise TypeError(f"seed must be None where choices are given, got {seed!r}")
        schedule = Schedule(None, _checked_choices(choices))
        words = f"choices={_shown(list(choices))}"
    try:
        return options.run(schedule, main, args)
    except BaseException as error:  # raised again
        words = f"fastask.testing.run failed with {words}"
        print(words, file=sys.stderr)
        error.add_note(f"{words}; the last steps:\n{schedule.last_steps()}")
        raise


def explore(
    main: Callable[..., Any],
    *args: object,
    runs: int = 1000,
    seed: int | None = None,
    virtual_time: bool = True,
    now: datetime | None = None,
    debug: bool | None = None,
    grace: float = 5.0,
) -> None:
    """Run `main(*args)` in many orders, and show the simplest one that fails.

    Run number `i` has the seed `seed + i`. Of the first run that fails, the choices
    that the seed made are shortened: a prefix of them is followed, and after it
    everything happens in the order in which it would outside of tests. The shortest
    prefix that fails with the same type of exception is what remains.

    Args:
        main: An async or a plain function. It is called for each run; what it changes
            outside, it has to set anew.
        args: Positional arguments of `main`.
        runs: How many orders are tried, and at most how many prefixes.
        seed: That of the first run. None for one by chance.
        virtual_time: As for `run`.
        now: As for `run`.
        debug: As for `run`.
        grace: As for `run`.

    Raises:
        BaseException: What the shortened run raised. A note on it tells the seed and
            the choices; `fastask.testing.run(main, choices=...)` does the same again.

    Example:
        ```python
        import fastask
        import fastask.testing

        async def main() -> None:
            me = fastask.self_()
            for word in ("a", "b"):
                fastask.spawn(fastask.send, me, word)
            first = await fastask.receive()
            assert {first, await fastask.receive()} == {"a", "b"}

        fastask.testing.explore(main, runs=20)
        ```
    """
    if asyncio.iscoroutine(main):
        main.close()
        raise TypeError(f"main must be a function, got {main!r}")
    if isinstance(runs, bool) or not isinstance(runs, int):
        raise TypeError(f"runs must be an integer >= 1, got {runs!r}")
    if runs < 1:
        raise ValueError(f"runs must be an integer >= 1, got {runs!r}")
    seed = random.SystemRandom().getrandbits(32) if seed is None else seed
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an integer or None, got {seed!r}")
    trial = _Trial(_Options(virtual_time, _wall_time(now), debug, grace), main, args)
    for number in range(runs):
        error, schedule = trial.fails(Schedule(seed + number))
        if error is None:
            continue
        prefix, error, schedule = trial.shorten(error, schedule, runs)
        words = (
            f"fastask.testing.explore: run {number + 1} of {runs} failed, with "
            f"seed={seed + number}; shortened to choices={_shown(prefix)}"
        )
        print(words, file=sys.stderr)
        error.add_note(f"{words}; the last steps:\n{schedule.last_steps()}")
        raise error


def _wall_time(now: datetime | None) -> float:
    if now is None:
        now = BEGIN
    if not isinstance(now, datetime):
        raise TypeError(f"now must be a datetime or None, got {now!r}")
    if now.tzinfo is None:
        raise ValueError(f"now must be an aware datetime, got {now!r}")
    return now.timestamp()


def _checked_choices(choices: Sequence[int]) -> list[int]:
    for choice in choices:
        if isinstance(choice, bool) or not isinstance(choice, int) or choice < 0:
            raise ValueError(f"choices must be integers >= 0, got {choice!r}")
    return list(choices)


def _shown(choices: list[int]) -> str:
    text = repr(choices)
    if len(text) <= MOST_CHOICES_SHOWN:
        return text
    return f"<{len(choices)} numbers>"


class _Options:
    """How to run, but for the schedule."""

    def __init__(
        self, virtual_time: bool, began: float, debug: bool | None, grace: float
    ) -> None:
        self.virtual_time = virtual_time
        self.began = began
        self.debug = debug
        self.grace = grace

    def run(self, schedule: Schedule, main: Main | Tree, args: tuple[Any, ...]) -> Any:
        """Do one run."""
        tree = cast(Tree, main) if hasattr(main, "_run_as_root") else None
        root = cast(Main, main) if tree is None else tree._run_as_root
        _check(root, self.grace, None)
        with _no_collections():
            return _SeededRun(self.grace, tree, schedule).complete(
                root, args, self._make_loop, self.debug, True
            )

    def _make_loop(self) -> VirtualLoop:
        loop = VirtualLoop(self.virtual_time, self.began, lambda: _deadlock(loop))
        return loop


class _SeededRun(_Run):
    """One call of `run`."""

    loop: VirtualLoop

    def __init__(self, grace: float, tree: Tree | None, schedule: Schedule) -> None:
        super().__init__(grace, tree)
        self.schedule = schedule

    async def _prepare(self) -> None:
        await super()._prepare()
        scheduler = scheduler_for(self.loop)
        self.loop.attach(scheduler)
        self.schedule.direct(self.loop, scheduler)


class _Trial:
    """A function that is run again and again."""

    def __init__(
        self, options: _Options, main: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        self.options = options
        self.main = main
        self.args = args

    def fails(self, schedule: Schedule) -> tuple[BaseException | None, Schedule]:
        """Do one run; return what it raised, or None, and the schedule."""
        try:
            self.options.run(schedule, self.main, self.args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # told to who searches
            return error, schedule
        return None, schedule

    def shorten(
        self, error: BaseException, schedule: Schedule, runs: int
    ) -> tuple[list[int], BaseException, Schedule]:
        """Return the shortest prefix of choices that fails alike, and how it fails."""
        taken = schedule.taken
        # A prefix that ends in 0 does what the one without that does.
        lengths = [0] + [i + 1 for i, choice in enumerate(taken) if choice != 0]
        for length in lengths[:runs]:
            again, followed = self.fails(Schedule(None, taken[:length]))
            if type(again) is type(error):
                assert again is not None
                return taken[:length], again, followed
        return taken, error, schedule


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Keep the collector, which runs when it likes, from running finalizers."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _deadlock(loop: VirtualLoop) -> DeadlockError:
    waiting = scheduler_for(loop).processes()
    lines = [f"    {_state(process)}" for process in waiting[:MOST_WAITING_SHOWN]]
    if len(waiting) > MOST_WAITING_SHOWN:
        lines.append(f"    and {len(waiting) - MOST_WAITING_SHOWN} more")
    return DeadlockError(
        "no process can run, and no timer is set:\n" + "\n".join(lines or ["    none"])
    )


def _state(process: Process[Any]) -> str:
    fields = describe(process)
    count = 0 if fields is None else fields["message_queue_len"]
    return f"{process!r} waits{_place(process)}, {count} messages in its mailbox"


def _place(process: Process[Any]) -> str:
    """Return the line at which a process waits, as text, where there is one."""
    place = ""
    coroutine: Any = process.get_coro()
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None:
            place = f" at {frame.f_code.co_filename}:{frame.f_lineno}"
        coroutine = getattr(coroutine, "cr_await", None)
    return place
