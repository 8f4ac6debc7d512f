"""Look into a server, and hold it, while it runs: `fastask.sys`.

Every function takes a server, a supervisor, an agent or a registry, by any destination
that `GenServer.call` takes, and a `timeout` in seconds. Where nobody is there they
raise `CallError` with the reason `NOPROC`, and `CallTimeoutError` where no answer comes
in time. A request is handled after the messages that are queued before it, and also
while the server is suspended.

Elixir: the module `:sys` of Erlang.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from sys import maxsize
from typing import Any, TypeVar

from fastask._core.call import call_system
from fastask._core.process import Process
from fastask.gen_server import Destination

__all__ = [
    "Statistics",
    "Status",
    "get_state",
    "get_status",
    "install",
    "log",
    "remove",
    "replace_state",
    "resume",
    "statistics",
    "suspend",
    "trace",
]

S = TypeVar("S")

Event = tuple[Any, ...]
Hook = Callable[[S, Event, Process[Any]], S]


@dataclass(frozen=True)
class Status:
    """What `get_status` tells.

    Attributes:
        process: The process of the server.
        module: The class of the server.
        status: `"running"` or `"suspended"`.
        parent: The process that started it linked, or None.
        state: As `get_state`.
    """

    process: Process[Any]
    module: type
    status: str
    parent: Process[Any] | None
    state: Any


@dataclass(frozen=True)
class Statistics:
    """What `statistics` tells.

    Attributes:
        age: Seconds since the process was started.
        messages_in: Messages that were handled, without requests of this module.
        messages_out: Calls that were answered.
    """

    age: float
    messages_in: int
    messages_out: int


async def _ask(dest: Destination, timeout: float | None, *request: Any) -> Any:
    is_good, value = await call_system(dest, request, timeout)
    if not is_good:
        raise value
    return value


async def get_state(dest: Destination, timeout: float | None = 5.0) -> Any:
    """Return the state of a server: the object itself; look, don't touch.

    Of an agent it is the value, of a supervisor the list of `ChildInfo`.

    Example:
        ```python
        import fastask

        class Greeter(fastask.GenServer):
            def init(self, greeting: str) -> None:
                self.greeting = greeting

        async def main() -> None:
            greeter = await Greeter.start_link("hello")
            assert (await fastask.sys.get_state(greeter)).greeting == "hello"
            await fastask.GenServer.stop(greeter)

        fastask.run(main)
        ```

    Elixir: `:sys.get_state/2`.
    """
    return await _ask(dest, timeout, "get_state")


async def replace_state(
    dest: Destination, fn: Callable[[Any], Any], timeout: float | None = 5.0
) -> Any:
    """Replace the state of a server by `fn(state)`, and return the new one.

    When `fn` raises, the error is raised here, and the server goes on as it was. For a
    server the state is its object: `fn` may change it, and returns it or another one of
    the same class.

    Elixir: `:sys.replace_state/3`.
    """
    if not callable(fn):
        raise TypeError(f"fn must be a function, got {fn!r}")
    return await _ask(dest, timeout, "replace_state", fn)


async def suspend(dest: Destination, timeout: float | None = 5.0) -> None:
    """Hold a server: it handles nothing but this module's requests, and orders to end.

    Messages stay queued, and calls to it may run out of time. Elixir: `:sys.suspend/2`.
    """
    await _ask(dest, timeout, "suspend")


async def resume(dest: Destination, timeout: float | None = 5.0) -> None:
    """Let a server go on, with what was queued meanwhile. Elixir: `:sys.resume/2`."""
    await _ask(dest, timeout, "resume")


async def get_status(dest: Destination, timeout: float | None = 5.0) -> Status:
    """Return what a server is and does. Elixir: `:sys.get_status/2`."""
    return Status(**await _ask(dest, timeout, "get_status"))


async def statistics(
    dest: Destination, reset: bool = False, timeout: float | None = 5.0
) -> Statistics | None:
    """Return how much a server has handled, or with `reset` begin to count anew.

    Counting is always on. Elixir: `:sys.statistics/3`.
    """
    figures = await _ask(dest, timeout, "statistics", bool(reset))
    return None if figures is None else Statistics(**figures)


async def install(
    dest: Destination,
    fn: Hook[S],
    state: S,
    name: object = None,
    timeout: float | None = 5.0,
) -> None:
    """Have `fn(state, event, process)` called in a server for each event.

    What it returns is the state for the next one. An event is `("in", message)`,
    `("out", reply, process)` or `("noreply",)`. A function that raises is removed, and
    logged.

    Args:
        dest: The server.
        fn: The function; it must not wait.
        state: What it is given first.
        name: By which `remove` finds it; None means `fn` itself.
        timeout: Seconds.

    Elixir: `:sys.install/3`.
    """
    if not callable(fn):
        raise TypeError(f"fn must be a function, got {fn!r}")
    await _ask(dest, timeout, "install", fn if name is None else name, fn, state)


async def remove(dest: Destination, name: object, timeout: float | None = 5.0) -> None:
    """Remove what `install` added, by its name or function. Elixir: `:sys.remove/3`."""
    await _ask(dest, timeout, "remove", name)


async def trace(dest: Destination, flag: bool, timeout: float | None = 5.0) -> None:
    """Print every event of a server to the standard output, or stop that.

    Elixir: `:sys.trace/3`.
    """
    if not isinstance(flag, bool):
        raise TypeError(f"flag must be True or False, got {flag!r}")
    if flag:
        await install(dest, _print, None, "trace", timeout)
    else:
        await remove(dest, "trace", timeout)


def _print(state: None, event: Event, process: Process[Any]) -> None:
    match event:
        case ("in", message):
            print(f"*DBG* {process!r} got {message!r}", flush=True)
        case ("out", reply, to):
            print(f"*DBG* {process!r} sent {reply!r} to {to!r}", flush=True)
        case _:
            print(f"*DBG* {process!r} sent no reply", flush=True)


async def log(
    dest: Destination, flag: bool | int | None = None, timeout: float | None = 5.0
) -> list[Event]:
    """Keep the last events of a server, or return those that were kept.

    Args:
        dest: The server.
        flag: True keeps the last ten, a number that many, False stops. None returns
            the events, oldest first.
        timeout: Seconds.

    Returns:
        The events that are kept.

    Raises:
        TypeError: If `flag` is of another type.
        ValueError: If it is a number below 1.

    Elixir: `:sys.log/3`.
    """
    if flag is not None:
        if not isinstance(flag, int):
            raise TypeError(f"flag must be True, False or an integer, got {flag!r}")
        if not isinstance(flag, bool) and flag < 1:
            raise ValueError(f"flag must be an integer >= 1, got {flag!r}")
        await remove(dest, "log", timeout)
        if flag:
            size = 10 if flag is True else min(flag, maxsize)
            events: deque[Event] = deque(maxlen=size)
            await install(dest, _keep, events, "log", timeout)
    return list(await _ask(dest, timeout, "hook", "log") or ())


def _keep(events: deque[Event], event: Event, process: Process[Any]) -> deque[Event]:
    events.append(event)
    return events
