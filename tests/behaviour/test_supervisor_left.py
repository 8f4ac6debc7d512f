"""Supervisors that nobody stops: the end of their starter, and of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    SHUTDOWN,
    GenServer,
    Process,
    Supervisor,
    TaskSupervisor,
    monitor,
    receive,
    self_,
    send,
    spawn,
    spawn_monitor,
    trap_exit,
)

Run = Callable[..., Any]


class Hanging(GenServer):
    """Never ends its `init`."""

    async def init(self, client: Process[Any]) -> None:
        send(client, self_())
        await receive("never".__eq__)


class Noted(GenServer):
    """Notes how it ends."""

    def init(self, name: str, notes: list[Any], trap: bool = True) -> None:
        trap_exit(trap)
        self.name, self.notes = name, notes

    def terminate(self, reason: Any) -> None:
        self.notes.append((self.name, reason))


def noted(name: str, notes: list[Any]) -> fastask.ChildSpec:
    return Noted.child_spec(name, notes, id=name)


async def nobody_else() -> None:
    """Wait until this process is the only one."""
    while fastask.processes() != [self_()]:
        await fastask.sleep(0)


class TestStartThatHangs:
    @pytest.mark.parametrize("reason", [KILL, SHUTDOWN, "another"])
    @pytest.mark.usefixtures("crashes")
    async def test_ends_in_order_with_its_starter(self, reason: Any) -> None:
        notes: list[Any] = []
        tree = [noted("a", notes), noted("b", notes), (Hanging, self_())]
        starter = spawn(Supervisor.start_link, tree)
        hanging = await receive(Process)
        fastask.exit(starter, reason)
        await nobody_else()

        assert not hanging.alive
        assert notes == [("b", "shutdown"), ("a", "shutdown")]

    async def test_ends_in_order_when_its_starter_gives_up(self) -> None:
        notes: list[Any] = []
        tree = [noted("a", notes), noted("b", notes), (Hanging, self_())]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await Supervisor.start_link(tree)
        hanging = await receive(Process)
        await nobody_else()

        assert not hanging.alive
        assert notes == [("b", "shutdown"), ("a", "shutdown")]

    async def test_of_a_tree_in_a_tree_ends_from_its_leaves(self) -> None:
        notes: list[Any] = []
        inner = Supervisor(
            [noted("c", notes), noted("d", notes), (Hanging, self_())], name="inner"
        )
        tree = [noted("a", notes), noted("b", notes), inner]
        starter = spawn(Supervisor.start_link, tree)
        await receive(Process)
        fastask.exit(starter, SHUTDOWN)
        await nobody_else()

        assert notes == [(name, "shutdown") for name in "dcba"]

    async def test_leaves_no_child_that_traps_and_goes_on(self) -> None:
        async def goes_on() -> None:
            trap_exit(True)
            await receive("never".__eq__)

        async def start() -> Process[None]:
            return fastask.spawn_link(goes_on)

        child = fastask.ChildSpec("goes on", start, shutdown=0.01)
        starter = spawn(Supervisor.start_link, [child, (Hanging, self_())])
        await receive(Process)
        fastask.exit(starter, SHUTDOWN)
        await nobody_else()

        assert not starter.alive

    async def test_ends_a_child_that_traps_while_it_begins(self) -> None:
        class Trapping(Hanging):
            async def init(self, client: Process[Any]) -> None:
                trap_exit(True)
                await super().init(client)

        starter = spawn(Supervisor.start_link, [(Trapping, self_())])
        trapping = await receive(Process)
        ref = monitor(trapping)
        fastask.exit(starter, SHUTDOWN)

        assert (await receive(ref)).reason == KILLED
        await nobody_else()

    async def test_of_a_server_ends_when_its_starter_gives_up(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await Hanging.start(self_())
        hanging = await receive(Process)
        while hanging.alive:
            await fastask.sleep(0)

        assert fastask.processes() == [self_()]

    async def test_of_a_child_ends_by_its_own_limit(self) -> None:
        child = Hanging.child_spec(self_(), timeout=0.01)
        with pytest.raises(fastask.StartError) as caught:
            await Supervisor.start_link([child])

        assert caught.value.reason == fastask.TIMEOUT
        await receive(Process)


class TestEndOfRun:
    def test_stops_a_tree_in_order(self, run: Run) -> None:
        notes: list[Any] = []

        async def main() -> None:
            inner = Supervisor([noted("c", notes), noted("d", notes)], name="inner")
            await Supervisor.start_link([noted("a", notes), noted("b", notes), inner])

        run(main)

        # The tree is linked to the root process, whose end is an order to it.
        assert notes == [(name, "shutdown") for name in "dcba"]

    def test_stops_a_tree_that_is_linked_to_nobody_in_order(self, run: Run) -> None:
        notes: list[Any] = []

        async def start() -> None:
            await Supervisor.start_link([noted("a", notes), noted("b", notes)])
            trap_exit(True)
            await receive("never".__eq__)

        async def main() -> None:
            spawn(start)
            await fastask.sleep(0.01)

        run(main)

        assert notes == [("b", "shutdown"), ("a", "shutdown")]

    def test_stops_tasks_through_their_supervisor(self, run: Run) -> None:
        notes: list[Any] = []

        async def work() -> None:
            trap_exit(True)
            notes.append((await receive(fastask.Exited)).process)

        async def main() -> Any:
            tasks = await TaskSupervisor.start_link()
            tasks.start_child(work)
            await fastask.sleep(0)
            return tasks.process

        process = run(main)

        assert notes == [process]


class TestDestination:
    async def test_a_supervisor_is_one(self) -> None:
        async with Supervisor([]) as supervisor:
            ref = monitor(supervisor)
            status = await fastask.sys.get_status(supervisor)

            assert status.process is supervisor.process
            assert fastask.whereis(supervisor) is supervisor.process
        down = await receive(ref)
        assert down.process is supervisor
        assert fastask.whereis(supervisor) is None

    async def test_is_nobody_before_it_starts(self) -> None:
        with pytest.raises(fastask.UnknownNameError):
            send(Supervisor([]), "hello")


class TestLeaving:
    async def test_by_another_process_stops_it_too(self) -> None:
        supervisor = Supervisor([])
        await supervisor.__aenter__()

        async def leave() -> None:
            await supervisor.__aexit__(None, None, None)

        _, ref = spawn_monitor(leave)
        await receive(ref)

        assert supervisor.process is not None
        assert not supervisor.process.alive
        info = fastask.process_info(self_())
        assert info is not None
        assert info.links == []
