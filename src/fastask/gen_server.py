"""Servers: a process with a state of its own that answers calls, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Hashable, Iterable, Sequence
from typing import Any
from typing import cast as cast_type

from fastask._core.answer import (
    Answer,
    Continue,
    Hibernate,
    IdleTimeout,
    Ignore,
    NoReply,
    Stop,
)
from fastask._core.call import (
    CallMethod,
    CastMethod,
    call,
    call_server,
    cast,
    cast_request,
    reply_to,
    stop_server,
)
from fastask._core.errors import CallError
from fastask._core.message import Ok
from fastask._core.names import Address
from fastask._core.process import Process
from fastask._core.reason import NORMAL, normalise
from fastask._core.request import GenCall, GenCast, Request
from fastask._core.server import start_server
from fastask._core.start import check_many, check_seconds
from fastask._core.stream import async_stream
from fastask._core.verb import self_
from fastask.spec import ChildSpec, Restart, Shutdown, StartWith

__all__ = [
    "Answer",
    "CallMethod",
    "CastMethod",
    "Continue",
    "GenCall",
    "GenCast",
    "GenServer",
    "Hibernate",
    "IdleTimeout",
    "Ignore",
    "NoReply",
    "Request",
    "Stop",
    "call",
    "cast",
]

_LOGGER = logging.getLogger("fastask")

Destination = Hashable
"""A process, a registered name, an `Address` or a `Via`."""


class GenServer:
    """The base of a server: subclass it, and say what to do with which message.

    The instance is the state; it is made by a call without arguments in the server's
    own process, and everything below runs there, one message at a time. Each callback
    may be `def` or `async def`; while an `async` one waits, further messages wait too.

    Methods decorated with `@call` and `@cast` are called by clients through the class:
    `await Stack.push(dest, "a")`. What is no such method goes to `handle_call` and
    `handle_cast`, and every other message to `handle_info`.

    When a callback raises, `terminate` runs and the server ends with the exception,
    which is logged once; whoever waits for a reply gets `CallError` with it.

    Example:
        ```python
        import fastask

        class Stack(fastask.GenServer):
            def init(self, *items: str) -> None:
                self.items = list(items)

            @fastask.call
            def push(self, item: str) -> int:
                self.items.append(item)
                return len(self.items)

            @fastask.cast
            def clear(self) -> None:
                self.items.clear()

        async def main() -> None:
            await Stack.start_link("a", name="stack")
            assert await Stack.push("stack", "b") == 2
            Stack.clear("stack")
            assert await Stack.push("stack", "c") == 1
            await fastask.GenServer.stop("stack")

        fastask.run(main)
        ```

    Elixir: `GenServer`.
    """

    # Callbacks.

    def init(self, *args: Any, **kwargs: Any) -> Any:
        """Prepare the state; `start_link` returns when this has.

        Returns:
            None, `Continue`, `IdleTimeout` or `Hibernate`; `Ignore()` for a server that
            is not wanted, `Stop(reason)` for one that cannot start.
        """
        if args or kwargs:
            raise TypeError(f"{type(self).__qualname__} has no init, but got {args!r}")

    def handle_call(self, request: Any, from_: GenCall, /) -> Any:
        """Answer a request; the value returned is the reply.

        Args:
            request: What `GenServer.call` was given.
            from_: What `GenServer.reply` takes, for a reply later on.

        Returns:
            The reply, or `Answer`, `NoReply` or `Stop`.
        """
        raise RuntimeError(
            f"{type(self).__qualname__} has no handle_call, but was asked {request!r}"
        )

    def handle_cast(self, request: Any, /) -> Any:
        """Do what a cast asks for.

        Returns:
            None, `Continue`, `IdleTimeout`, `Hibernate` or `Stop`.
        """
        raise RuntimeError(
            f"{type(self).__qualname__} has no handle_cast, but was told {request!r}"
        )

    def handle_info(self, message: Any, /) -> Any:
        """Handle any other message: `Reply`, `Down`, `Exited`, `TIMEOUT` and so on.

        Without one of your own the message is logged, and the server goes on.

        Returns:
            None, `Continue`, `IdleTimeout`, `Hibernate` or `Stop`.
        """
        _LOGGER.error(
            "%s %r received an unexpected message: %r",
            type(self).__qualname__,
            self_(),
            message,
        )

    def handle_continue(self, arg: Any, /) -> Any:
        """Go on after `Continue(arg)`, before any message.

        Returns:
            None, `Continue`, `IdleTimeout`, `Hibernate` or `Stop`.
        """
        raise RuntimeError(
            f"{type(self).__qualname__} has no handle_continue, but got {arg!r}"
        )

    def terminate(self, reason: Any, /) -> Any:
        """Clean up before the server ends with `reason`; what it returns is ignored.

        Runs after `Stop`, an exception or `GenServer.stop`; and when the starter of the
        server, its supervisor say, ends it, if the server traps exits. It does not run
        when an exit signal ends a server that does not trap exits, nor on `KILL`.
        """

    def _get_state(self) -> Any:
        """Return what `sys.get_state` tells."""
        return self

    def _replace_state(self, function: Any) -> Any:
        """Return what is served from now on."""
        state = function(self)
        if not isinstance(state, type(self)):
            raise TypeError(
                f"function must return a {type(self).__qualname__}, got {state!r}"
            )
        return state

    # Starting.

    @classmethod
    def start_link(
        cls,
        *args: Any,
        name: Destination | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, Process[None] | None]:
        """Start a server that is linked to the caller; return when `init` has.

        When the start fails, the caller gets an error and no exit signal; when the
        caller ends meanwhile, the process that is starting ends too.

        Args:
            args: Of `init`.
            name: A name or a `Via`; registered before `init` runs.
            timeout: Seconds that `init` may take, or None for no limit.

        Returns:
            The process, or None when `init` returned `Ignore()`.

        Raises:
            StartError: If `init` raised, stopped or took too long.
            AlreadyStartedError: If the name is taken.

        Elixir: `GenServer.start_link/3`.
        """
        return start_server(cls, args, name, timeout, True)

    @classmethod
    def start(
        cls,
        *args: Any,
        name: Destination | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, Process[None] | None]:
        """Start a server that is linked to nobody; see `start_link`.

        Elixir: `GenServer.start/3`.
        """
        return start_server(cls, args, name, timeout, False)

    @classmethod
    def child_spec(
        cls,
        *args: Any,
        id: Hashable | None = None,
        name: Destination | None = None,
        timeout: float | None = None,
        restart: Restart = "permanent",
        shutdown: Shutdown = 5.0,
        significant: bool = False,
    ) -> ChildSpec:
        """Return how a supervisor starts this server.

        Args:
            args: Of `init`.
            id: Names the child under its supervisor; None means the class.
            name: See `start_link`.
            timeout: See `start_link`. A supervisor does nothing else while a child
                starts, so a child whose `init` may hang needs one.
            restart: See `ChildSpec`.
            shutdown: See `ChildSpec`.
            significant: See `ChildSpec`.

        Elixir: `child_spec/1` of `use GenServer`.
        """
        if timeout is not None:
            check_seconds("timeout", timeout)
        return ChildSpec(
            id=cast_type(Hashable, cls) if id is None else id,
            start=(
                cls.start_link
                if name is None and timeout is None
                else StartWith(cls.start_link, {"name": name, "timeout": timeout})
            ),
            args=args,
            restart=restart,
            shutdown=shutdown,
            significant=significant,
        )

    # What clients do.

    @staticmethod
    def call(
        dest: Destination, request: Any, timeout: float | None = 5.0
    ) -> Coroutine[Any, Any, Any]:
        """Send a request to a server and wait for its reply.

        When time runs out the server goes on, and its late reply is dropped, as it is
        when the wait is cancelled.

        Args:
            dest: A process, a name, an `Address` or a `Via`.
            request: Anything; it is shared, not copied.
            timeout: Seconds, or None for no limit.

        Returns:
            The reply.

        Raises:
            CallTimeoutError: If no reply came in time.
            CallError: If nobody is there (`.reason` is `NOPROC`), the server ended
                before it replied (what it ended with), or is the caller itself
                (`"calling_self"`). In debug mode also when servers would wait for each
                other in a circle (`"calling_cycle"`).

        Elixir: `GenServer.call/3`.
        """
        return call_server(dest, request, timeout)

    @staticmethod
    def cast(dest: Destination, request: Any) -> None:
        """Send a request that is not answered; nothing happens when nobody is there.

        Elixir: `GenServer.cast/2`.
        """
        cast_request(dest, request)

    @staticmethod
    def reply(from_: GenCall, value: Any) -> None:
        """Answer a call for which `handle_call` returned `NoReply`.

        May be used by any process and from any thread. The first reply counts; one to a
        caller that waits no longer is dropped.

        Elixir: `GenServer.reply/2`.
        """
        reply_to(from_, value)

    @staticmethod
    def stop(
        dest: Destination, reason: Any = NORMAL, timeout: float | None = None
    ) -> Coroutine[Any, Any, None]:
        """End a server and wait for its end; what it was sent before is handled first.

        `terminate(reason)` runs. A server whose time runs out is not killed.

        Args:
            dest: A process, a name, an `Address` or a `Via`.
            reason: The exit reason.
            timeout: Seconds, or None for no limit.

        Raises:
            CallError: If nobody is there, or it ended with another reason.
            CallTimeoutError: If it did not end in time.

        Elixir: `GenServer.stop/3`.
        """
        return stop_server(dest, normalise(reason), timeout)

    @staticmethod
    async def multi_call(
        nodes: Iterable[str],
        name: Hashable,
        request: Any,
        timeout: float | None = None,
    ) -> tuple[list[tuple[str, Any]], list[str]]:
        """Call the server of that name on each node, on all of them at once.

        Args:
            nodes: Names of nodes; `[node()]` is this one.
            name: A registered name.
            request: As for `call`.
            timeout: Seconds for each, or None for no limit.

        Returns:
            Pairs of a node and its reply, and the nodes that gave none.

        Elixir: `GenServer.multi_call/4`.
        """
        replies: list[tuple[str, Any]] = []
        bad: list[str] = []
        wanted = _checked(nodes)
        if len(wanted) < 2:
            outcomes = [await _ask(each, name, request, timeout) for each in wanted]
        else:
            asked = async_stream(
                wanted,
                _ask,
                name,
                request,
                timeout,
                max_concurrency=len(wanted),
                timeout=None,
            )
            outcomes = [outcome.unwrap() async for outcome in asked]
        for where, outcome in zip(wanted, outcomes, strict=True):
            if outcome is None:
                bad.append(where)
            else:
                replies.append((where, outcome.value))
        return replies, bad

    @staticmethod
    def abcast(nodes: Iterable[str], name: Hashable, request: Any) -> None:
        """Cast to the server of that name on each node.

        Elixir: `GenServer.abcast/3`.
        """
        for where in _checked(nodes):
            cast_request(Address(name, where), request)


for _verb in (GenServer.call, GenServer.stop, GenServer.start_link, GenServer.start):
    # What they return is awaited in the process whose function they are.
    getattr(_verb, "__func__", _verb).__dict__["__fastask_wait__"] = True


async def _ask(
    node: str, name: Hashable, request: Any, timeout: float | None
) -> Ok[Any] | None:
    try:
        return Ok(await call_server(Address(name, node), request, timeout))
    except CallError:
        return None


def _checked(nodes: Iterable[str]) -> Sequence[str]:
    check_many("nodes", nodes, "names of nodes")
    return list(nodes)
