"""What was to be awaited, and was not: a warning tells, as of a coroutine."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fastask
from fastask import Agent, GenServer, Process, call, receive, self_, spawn


class Echo(GenServer):
    def init(self) -> None:
        self.seen: list[Any] = []

    @call
    def echo(self, value: Any) -> list[Any]:
        self.seen.append(value)
        return self.seen


VERBS: dict[str, Callable[[fastask.Task[Any], Process[Any]], object]] = {
    "receive": lambda task, server: receive(),
    "receive of a type": lambda task, server: receive(int),
    "receive of several": lambda task, server: receive(int, str, timeout=1),
    "sleep": lambda task, server: fastask.sleep(1),
    "call": lambda task, server: GenServer.call(server, 1),
    "call of a method": lambda task, server: Echo.echo(server, 1),
    "call of an agent": lambda task, server: Agent.get(server, id),
    "call that stops": lambda task, server: GenServer.stop(server),
    "start": lambda task, server: Echo.start(),
    "start of an agent": lambda task, server: Agent.start(int),
    "await_": lambda task, server: task.await_(),
    "await_ of the module": lambda task, server: fastask.await_(task),
    "await_ that yields": lambda task, server: task.yield_(),
    "await_many": lambda task, server: fastask.await_many([task]),
    "await_many that yields": lambda task, server: fastask.yield_many([task]),
    "shutdown": lambda task, server: task.shutdown(),
    "shutdown that kills": lambda task, server: task.shutdown(fastask.BRUTAL_KILL),
}


@contextlib.contextmanager
def warned() -> Iterator[list[str]]:
    """What warnings say; those of a deallocation would be errors nobody can catch."""
    lines: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lines
    assert all(warning.category is RuntimeWarning for warning in caught)
    lines += [str(warning.message) for warning in caught]


async def one() -> int:
    return 1


async def with_both(
    use: Callable[[fastask.Task[Any], Process[Any]], object],
) -> list[str]:
    """Use a task and a server, which are well afterwards; return the warnings."""
    task, server = fastask.async_(one), await Echo.start_link()
    assert server is not None
    with warned() as lines:
        use(task, server)
        for _ in range(3):
            await asyncio.sleep(0)  # for what it left to the loop
    assert await Echo.echo(server, 2) == [2]
    assert await task == 1
    await GenServer.stop(server)
    return lines


class TestVerb:
    @pytest.mark.parametrize("name", VERBS)
    async def test_that_nobody_awaits_does_nothing_and_warns(self, name: str) -> None:
        verb = name.partition(" ")[0]

        assert await with_both(VERBS[name]) == [f"{verb} was never awaited"]

    @pytest.mark.parametrize("name", VERBS)
    async def test_that_is_closed_does_not_warn(self, name: str) -> None:
        def use(task: fastask.Task[Any], server: Process[Any]) -> None:
            wait: Any = VERBS[name](task, server)
            wait.close()

        assert await with_both(use) == []

    @pytest.mark.parametrize("name", VERBS)
    async def test_whose_task_is_cancelled_before_its_turn_does_not_warn(
        self, name: str
    ) -> None:
        waiting: list[asyncio.Task[Any]] = []

        def use(task: fastask.Task[Any], server: Process[Any]) -> None:
            wait: Any = VERBS[name](task, server)
            waiting.append(asyncio.ensure_future(wait))
            waiting[0].cancel()

        assert await with_both(use) == []
        assert waiting[0].cancelled()

    async def test_with_wrong_arguments_does_not_warn(self) -> None:
        def use(task: fastask.Task[Any], server: Process[Any]) -> None:
            wrong: list[Callable[[], Any]] = [
                lambda: receive(3),  # type: ignore[call-overload]  # it raises
                lambda: receive(timeout=-1),
                lambda: fastask.sleep(-1),
                lambda: task.await_(timeout=-1),
                lambda: task.shutdown(-1),
                lambda: fastask.await_many([task], timeout=-1),
                lambda: GenServer.call(server, 1, timeout=-1),
                lambda: Echo.start(timeout=-1),
            ]
            for verb in wrong:
                with pytest.raises((TypeError, ValueError)):
                    verb()

        assert await with_both(use) == []

    async def test_is_told_at_its_line(self) -> None:
        with pytest.warns(RuntimeWarning) as caught:
            receive()  # type: ignore[unused-coroutine]  # what is tested

        assert caught[0].filename == __file__

    async def test_of_a_process_that_is_killed_before_its_turn_does_not_warn(
        self,
    ) -> None:
        with warned() as lines:
            process = spawn(receive)
            fastask.exit(process, fastask.KILL)
            await receive(fastask.monitor(process))

        assert lines == []

    async def test_that_is_awaited_does_not_warn(
        self,
    ) -> None:
        with warned() as lines:
            for number in range(3):
                fastask.send(self_(), number)
                assert await receive() == number
                with pytest.raises(TimeoutError):
                    await receive(timeout=0)
                await fastask.sleep(0)

        assert lines == []
