"""The handler of a signal runs while the loop is told to call the core (I30).

asyncio's loops are Python, so a handler may run in the middle of their `call_soon`.
Here the loop calls it there itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import Process


class Interrupted(asyncio.SelectorEventLoop):
    """Calls a handler, once, when it is told to call something soon."""

    handler: Callable[[], None] | None = None

    def call_soon(  # type: ignore[override]  # without the types of the arguments
        self, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handler, self.handler = self.handler, None
        if handler is not None:
            handler()
        return super().call_soon(callback, *args, context=context)


async def tell(who: Process[None], what: str) -> None:
    fastask.send(who, what)


async def take(count: int) -> list[object]:
    """Be woken by a callback of the loop, with a handler in between."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Interrupted)
    me = fastask.self_()

    def handler() -> None:
        fastask.send(me, "handler")
        for _ in range(count):
            fastask.spawn(tell, me, "spawned")

    def callback() -> None:
        loop.handler = handler
        fastask.send(me, "callback")

    loop.call_soon(callback)
    return [await fastask.receive(timeout=5.0) for _ in range(count + 2)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_nobody_is_lost_who_a_handler_wakes_beside_a_process(count: int) -> None:
    taken = fastask.run(take, count, loop_factory=Interrupted)

    assert sorted(map(str, taken)) == ["callback", "handler", *["spawned"] * count]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_nobody_is_lost_who_a_handler_wakes_beside_a_task_of_asyncio(
    count: int,
) -> None:
    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(fastask.task_factory)
        return await loop.create_task(take(count))

    taken = fastask.run(main, loop_factory=Interrupted)

    assert sorted(map(str, taken)) == ["callback", "handler", *["spawned"] * count]


@pytest.mark.parametrize("reason", [fastask.KILL, fastask.SHUTDOWN], ids=str)
def test_a_process_ends_once_that_a_handler_ends_while_it_is_woken(
    reason: object,
) -> None:
    async def wait() -> None:
        await fastask.receive(int)

    async def main() -> tuple[object, bool]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Interrupted)
        child, ref = fastask.spawn_monitor(wait)
        await fastask.sleep(0)  # it waits

        def callback() -> None:
            loop.handler = lambda: fastask.exit(child, reason)
            fastask.send(child, "message")

        loop.call_soon(callback)
        down = await fastask.receive(ref, timeout=5.0)
        return down.reason, child.alive

    told = fastask.KILLED if reason is fastask.KILL else fastask.SHUTDOWN

    assert fastask.run(main, loop_factory=Interrupted) == (told, False)
