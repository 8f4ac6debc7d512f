"""An interrupt hits the loop when it has taken out a call of ours and not made it."""

from __future__ import annotations

import asyncio

import pytest

import fastask
from fastask import receive, self_, send, sleep, spawn

FOR_EVER = 3600.0
"""A grace that outlasts the time limit of a test: who waits for its end fails."""


def test_processes_are_ended_although_nobody_is_told_to_step_them() -> None:
    ended = []

    async def waits() -> None:
        try:
            await receive()
        finally:
            ended.append(self_().alive)

    async def main() -> None:
        process = spawn(waits)
        await sleep(0)

        def lose_the_call() -> None:
            send(process, "wakes it, so the loop is told to step it")
            loop._ready.clear()  # type: ignore[attr-defined]  # as an interrupt does
            raise KeyboardInterrupt

        loop = asyncio.get_running_loop()
        loop.call_soon(lose_the_call)
        await receive()

    with pytest.raises(KeyboardInterrupt):
        fastask.run(
            main,
            loop_factory=asyncio.SelectorEventLoop,
            handle_signals=False,
            grace=FOR_EVER,
        )

    assert ended == [True]
