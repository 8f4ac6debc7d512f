"""Periodic work: functions that run every so often, as supervised children."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from fastask._core.process import function_name
from fastask._core.receive import sleep
from fastask._core.start import check_function
from fastask._core.task import async_, start_link
from fastask._core.timer import monotonic_time
from fastask._core.verb import set_label
from fastask.spec import ChildSpec, Restart, Shutdown

__all__ = ["Cron", "Every"]

LONGEST_NAP = 60.0
"""Seconds that `Cron` sleeps at most, as the wall clock may be set meanwhile."""


class _Periodic:
    """What `Every` and `Cron` share: a child that runs a function again and again."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    overlap: bool

    def _prepare(
        self, fn: Callable[..., Any], args: tuple[Any, ...], overlap: bool
    ) -> None:
        check_function(fn)
        if not isinstance(overlap, bool):
            raise TypeError(f"overlap must be True or False, got {overlap!r}")
        self.fn = fn
        self.args = args
        self.overlap = overlap

    def _child_spec(self) -> ChildSpec:
        return ChildSpec(function_name(self.fn), start_link, (self._run,))

    def child_spec(
        self,
        *,
        id: Hashable | None = None,
        restart: Restart = "permanent",
        shutdown: Shutdown = 5.0,
        significant: bool = False,
    ) -> ChildSpec:
        """Return how a supervisor starts it, with another id or restart type, say.

        Args:
            id: Names the child; None means the qualified name of the function.
            restart: See `ChildSpec`.
            shutdown: See `ChildSpec`.
            significant: See `ChildSpec`.
        """
        spec = self._child_spec()
        return replace(
            spec,
            id=spec.id if id is None else id,
            restart=restart,
            shutdown=shutdown,
            significant=significant,
        )

    async def _run(self) -> None:
        raise TypeError(f"{type(self).__name__} must define _run()")

    async def _work(self) -> None:
        """Run the function once; a failure is the failure of this process."""
        if self.overlap:
            start_link(self.fn, *self.args)
        elif _is_async(self.fn):
            await self.fn(*self.args)
        else:
            await async_(self.fn, *self.args)


def _is_async(fn: Any) -> bool:
    while isinstance(fn, functools.partial):
        fn = fn.func
    return inspect.iscoroutinefunction(fn)


class Every(_Periodic):
    """A child that runs `fn(*args)` every so many seconds.

    Times are counted from the start of the child, so that they do not drift. A run that
    takes longer than that makes the child skip what it missed. A run that fails is the
    child's crash, and the supervisor starts it anew.

    Args:
        seconds: From one run to the next, > 0.
        fn: An async function, or a plain function (it runs in a worker thread).
        args: Positional arguments of `fn`.
        jitter: Up to so many seconds, at random, each run comes later.
        immediate: Whether the first run is at once, or after `seconds`.
        overlap: Whether a run may begin while the last one goes on; each is a process
            of its own then, linked to the child.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If a number is out of range.

    Example:
        ```python
        import fastask

        async def check(process: fastask.Process) -> None:
            fastask.send(process, "checked")

        async def main() -> None:
            checker = fastask.Every(0.01, check, fastask.self_())
            async with fastask.Supervisor([checker]):
                for _ in range(3):
                    await fastask.receive("checked".__eq__)

        fastask.run(main)
        ```

    Elixir: a `Task` that runs, sleeps and calls itself.
    """

    def __init__(
        self,
        seconds: float,
        fn: Callable[..., Any],
        *args: Any,
        jitter: float = 0.0,
        immediate: bool = True,
        overlap: bool = False,
    ) -> None:
        """Check everything; nothing starts."""
        _check_seconds("seconds", seconds)
        if not seconds > 0:
            raise ValueError(f"seconds must be a number > 0, got {seconds!r}")
        _check_seconds("jitter", jitter)
        if not jitter >= 0:
            raise ValueError(f"jitter must be a number >= 0, got {jitter!r}")
        if not isinstance(immediate, bool):
            raise TypeError(f"immediate must be True or False, got {immediate!r}")
        self._prepare(fn, args, overlap)
        self.seconds = seconds
        self.jitter = jitter
        self.immediate = immediate

    def __repr__(self) -> str:
        return f"Every({self.seconds!r}, {function_name(self.fn)})"

    async def _run(self) -> None:
        set_label(repr(self))
        due = monotonic_time() + (0.0 if self.immediate else self.seconds)
        while True:
            await sleep(max(0.0, due + _late(self.jitter) - monotonic_time()))
            await self._work()
            due += self.seconds
            behind = monotonic_time() - due
            if behind > 0:
                due += self.seconds * (behind // self.seconds + 1)


def _late(jitter: float) -> float:
    if not jitter:
        return 0.0
    from random import uniform  # what few need, `import fastask` does without

    return uniform(0.0, jitter)


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, got {value!r}")
    if value > sys.float_info.max:  # it would never be due
        raise ValueError(f"{name} must be a finite number of seconds, got {value!r}")


class Cron(_Periodic):
    """A child that runs `fn(*args)` at the times of a cron expression.

    A time that comes while a run goes on is skipped; one that the child was not there
    for is not caught up. A run that fails is the child's crash. Needs the extra
    `fastask-otp[cron]`.

    Args:
        expression: Minute, hour, day of the month, month, day of the week.
        fn: An async function, or a plain function (it runs in a worker thread).
        args: Positional arguments of `fn`.
        timezone: A name such as `"Europe/Paris"`, or a `tzinfo`. Where the clock is
            turned back or forth, it does what cron in Debian does.
        overlap: As for `Every`.

    Raises:
        ImportError: If the extra is not installed.
        TypeError: If an argument is of a wrong type.
        ValueError: If the expression or the time zone is none.

    Example:
        ```python
        import fastask

        async def tidy() -> None: ...

        daily = fastask.Cron("0 3 * * *", tidy, timezone="Europe/Paris")
        supervisor = fastask.Supervisor([daily])
        ```

    Elixir: the library Quantum.
    """

    def __init__(
        self,
        expression: str,
        fn: Callable[..., Any],
        *args: Any,
        timezone: str | tzinfo = "UTC",
        overlap: bool = False,
    ) -> None:
        """Check everything; nothing starts."""
        self._prepare(fn, args, overlap)
        if not isinstance(expression, str):
            raise TypeError(f"expression must be a string, got {expression!r}")
        self.expression = expression
        self.timezone: tzinfo = _zone(timezone)
        self._times(self._now())

    def __repr__(self) -> str:
        return f"Cron({self.expression!r}, {function_name(self.fn)})"

    def _now(self) -> datetime:
        # A virtual loop has a clock on the wall of its own.
        wall_time = getattr(asyncio._get_running_loop(), "wall_time", time.time)
        return datetime.fromtimestamp(wall_time(), self.timezone)

    def _times(self, after: datetime) -> Iterator[datetime]:
        try:
            from cronsim import CronSim, CronSimError
        except ImportError:
            raise ImportError("Cron needs cronsim: install fastask-otp[cron]") from None
        try:
            return CronSim(self.expression, after)
        except CronSimError as error:
            raise ValueError(
                f"expression must be a cron expression, got {self.expression!r}: "
                f"{error}"
            ) from None

    async def _run(self) -> None:
        set_label(repr(self))
        after = self._now()
        while True:
            due = next(self._times(after), None)
            if due is None:  # such as the 30th of February
                await sleep(None)
                continue
            # Time stamps: a difference of local times ignores clocks that are turned.
            while (left := due.timestamp() - self._now().timestamp()) > 0:
                await sleep(min(left, LONGEST_NAP))
            await self._work()
            after = max(due, self._now(), key=datetime.timestamp)


def _zone(timezone: object) -> tzinfo:
    if isinstance(timezone, tzinfo):
        return timezone
    if not isinstance(timezone, str):
        raise TypeError(f"timezone must be a name or a tzinfo, got {timezone!r}")
    from zoneinfo import ZoneInfo  # what few need, `import fastask` does without

    try:
        return ZoneInfo(timezone)
    except (LookupError, ValueError, OSError):
        raise ValueError(
            f"timezone must be the name of a time zone, got {timezone!r}"
        ) from None
