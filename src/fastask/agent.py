"""Agents: a process that holds one value, which functions read and change in it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from fastask._core.answer import Answer, Stop
from fastask._core.call import call_server, cast_request
from fastask._core.process import Process
from fastask._core.request import GenCall
from fastask.gen_server import Destination, GenServer

__all__ = ["Agent"]

S = TypeVar("S")
T = TypeVar("T")
P = ParamSpec("P")


class Agent(GenServer):
    """A process that holds one value.

    The functions that are given run in the agent, one after the other, and may be `def`
    or `async def`; while one runs the others wait. One that raises ends the agent, and
    its caller gets `CallError` with the exception as the reason.

    Example:
        ```python
        from fastask import Agent, run

        async def main() -> None:
            counter = await Agent.start_link(lambda: 0)
            await Agent.update(counter, lambda n: n + 2)
            assert await Agent.get(counter, lambda n: n * 10) == 20
            await Agent.stop(counter)

        run(main)
        ```

    Elixir: `Agent`.
    """

    _value: Any = None

    def init(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Begin with the value that `fn(*args)` returns."""
        _check(fn)
        value = fn(*args)
        if inspect.iscoroutine(value):
            return self._begin(value)
        self._value = value
        return None

    @classmethod
    def start_link(
        cls,
        *args: Any,
        name: Destination | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, Process[None] | None]:
        """Start an agent with the value of `fn(*args)`; see `GenServer.start_link`.

        Args:
            args: `fn`, and its arguments.
            name: A name or a `Via`.
            timeout: Seconds that `fn` may take, or None for no limit.

        Elixir: `Agent.start_link/2`.
        """
        cls._check_start(args)
        return super().start_link(*args, name=name, timeout=timeout)

    @classmethod
    def start(
        cls,
        *args: Any,
        name: Destination | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, Process[None] | None]:
        """Start an agent that is linked to nobody; see `start_link`.

        Elixir: `Agent.start/2`.
        """
        cls._check_start(args)
        return super().start(*args, name=name, timeout=timeout)

    @classmethod
    def _check_start(cls, args: tuple[Any, ...]) -> None:
        if cls.init is not Agent.init:
            return  # what it is given is its own affair
        if not args:
            raise TypeError("fn must be a function, got no argument")
        _check(args[0])

    async def _begin(self, value: Awaitable[Any]) -> None:
        self._value = await value

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        """Run a function of a client, and answer it."""
        kind, fn, args = request
        result = fn(self._value, *args)
        if inspect.iscoroutine(result):
            return self._settle_later(kind, result)
        return self._settle(kind, result)

    async def _settle_later(self, kind: str, result: Awaitable[Any]) -> Any:
        return self._settle(kind, await result)

    def _settle(self, kind: str, result: Any) -> Any:
        if kind == "get":
            return Answer(result)
        if kind == "update":
            self._value = result
            return None
        if not isinstance(result, tuple) or len(result) != 2:
            return Stop(("bad_return_value", result))
        value, self._value = result
        return Answer(value)

    def handle_cast(self, request: Any) -> Any:
        """Run a function of a client that does not wait."""
        fn, args = request
        result = fn(self._value, *args)
        if inspect.iscoroutine(result):
            return self._begin(result)
        self._value = result
        return None

    def handle_info(self, message: Any) -> None:
        """Ignore what is no request."""

    def _get_state(self) -> Any:
        return self._value

    def _replace_state(self, function: Any) -> Any:
        self._value = function(self._value)
        return self

    @staticmethod
    def get(
        dest: Destination,
        fn: Callable[..., Any],
        *args: Any,
        timeout: float | None = 5.0,
    ) -> Coroutine[Any, Any, Any]:
        """Return `fn(value, *args)`; the value stays as it is.

        Args:
            dest: The agent.
            fn: Runs in the agent.
            args: Further arguments of `fn`.
            timeout: Seconds, or None for no limit.

        Raises:
            CallError: If nobody is there, or `fn` raised, which ends the agent.
            CallTimeoutError: If it took too long; a late answer is dropped.

        Elixir: `Agent.get/3`.
        """
        return _ask(dest, "get", fn, args, timeout)

    @staticmethod
    def update(
        dest: Destination,
        fn: Callable[..., Any],
        *args: Any,
        timeout: float | None = 5.0,
    ) -> Coroutine[Any, Any, None]:
        """Replace the value by `fn(value, *args)`; see `get`.

        Elixir: `Agent.update/3`.
        """
        return _ask(dest, "update", fn, args, timeout)

    @staticmethod
    def get_and_update(
        dest: Destination,
        fn: Callable[..., Any],
        *args: Any,
        timeout: float | None = 5.0,
    ) -> Coroutine[Any, Any, Any]:
        """Return the first, and keep the second of the pair that `fn(value, *args)` is.

        Anything but a pair ends the agent with `("bad_return_value", it)`; see `get`.

        Elixir: `Agent.get_and_update/3`.
        """
        return _ask(dest, "get_and_update", fn, args, timeout)

    @staticmethod
    def cast(  # pyright: ignore[reportIncompatibleMethodOverride]  # of agents, not servers
        dest: Destination, fn: Callable[..., Any], *args: Any
    ) -> None:
        """Replace the value by `fn(value, *args)`, without waiting for that.

        Nothing happens when nobody is there. Elixir: `Agent.cast/2`.
        """
        _check(fn)
        cast_request(dest, (fn, args))


for _verb in (
    Agent.get,
    Agent.update,
    Agent.get_and_update,
    Agent.start_link,
    Agent.start,
):
    # What they return is awaited in the process whose function they are.
    getattr(_verb, "__func__", _verb).__dict__["__fastask_wait__"] = True


def _check(fn: Any) -> None:
    if not callable(fn):
        raise TypeError(f"fn must be a function, got {fn!r}")


def _ask(
    dest: Destination,
    kind: str,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    timeout: float | None,
) -> Coroutine[Any, Any, Any]:
    _check(fn)
    return call_server(dest, (kind, fn, args), timeout)
