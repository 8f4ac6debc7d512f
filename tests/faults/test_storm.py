"""Thousands of exit signals at once: none is lost, none recurses, the loop lives."""

from __future__ import annotations

import pytest

import fastask
from fastask import Exited, Process, receive, self_

WAIT = 20.0
MANY = 10_000
ENOUGH = ("shutdown", "enough")  # expected: nothing is logged


async def wait() -> None:
    await receive()


async def gone(processes: list[Process[None]]) -> None:
    """Wait for the end of all; a monitor tells at once of the dead."""
    for process in processes:
        ref = fastask.monitor(process)
        await receive(ref, timeout=WAIT)


@pytest.mark.slow
class TestStorm:
    async def test_all_signals_reach_one_that_traps(self) -> None:
        fastask.trap_exit(True)
        children = [fastask.spawn_link(wait) for _ in range(MANY)]
        await fastask.sleep(0)

        for child in children:
            fastask.exit(child, ENOUGH)
        told = [await receive(Exited, timeout=WAIT) for _ in range(MANY)]

        assert {exited.process for exited in told} == set(children)
        assert {exited.reason for exited in told} == {ENOUGH}

    async def test_all_signals_of_exit_reach_one_that_traps(self) -> None:
        fastask.trap_exit(True)

        async def signal(target: Process[None]) -> None:
            fastask.exit(target, "now")

        senders = [fastask.spawn(signal, self_()) for _ in range(MANY)]
        told = [await receive(Exited, timeout=WAIT) for _ in range(MANY)]

        assert [exited.process for exited in told] == senders

    async def test_one_end_passes_to_all_that_are_linked(self) -> None:
        linked: list[Process[None]] = []

        async def hub() -> None:
            linked.extend(fastask.spawn_link(wait) for _ in range(MANY))
            await receive()

        process, ref = fastask.spawn_monitor(hub)
        await fastask.sleep(0)
        fastask.exit(process, ENOUGH)

        assert (await receive(ref, timeout=WAIT)).reason == ENOUGH
        await gone(linked)
        assert [p for p in linked if p.alive] == []

    @pytest.mark.parametrize("reason", [ENOUGH, fastask.KILL])
    async def test_an_end_passes_through_a_long_chain(self, reason: object) -> None:
        chain: list[Process[None]] = []

        async def piece(left: int) -> None:
            chain.append(self_())
            if left:
                fastask.spawn_link(piece, left - 1)
            await receive()

        fastask.spawn(piece, MANY - 1)
        while len(chain) < MANY:
            await fastask.sleep(0)
        fastask.exit(chain[0], reason)

        await gone(chain)
        ends = [process.exception() for process in chain[1:]]
        expected = fastask.KILLED if reason is fastask.KILL else reason
        assert {getattr(end, "reason", None) for end in ends} == {expected}

    @pytest.mark.usefixtures("crashes")
    async def test_an_end_passes_through_a_complete_mesh(self) -> None:
        mesh = [fastask.spawn(knot) for _ in range(100)]
        for process in mesh:
            fastask.send(process, mesh)
        await fastask.sleep(0)

        fastask.send(mesh[50], "crash")
        await gone(mesh)

        assert {str(process.exception()) for process in mesh} == {"a knot"}


async def knot() -> None:
    """Link oneself to all of a list, and crash when told so."""
    for other in await receive(list):
        if other is not self_():
            fastask.link(other)
    await receive(str)
    raise ValueError("a knot")
