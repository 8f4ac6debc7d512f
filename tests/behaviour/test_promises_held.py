"""Promises of docs/promises.md that no other test holds.

Nobody runs between two awaits; a call that was given up is handled; and what differs
from Elixir: hibernation, other nodes, tracebacks, awaiting twice, ancestors.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    NOCONNECTION,
    Address,
    Answer,
    CallError,
    Down,
    GenCall,
    GenServer,
    Hibernate,
    Process,
    async_,
    monitor,
    process_info,
    receive,
    self_,
    send,
    sleep,
    spawn,
    spawn_monitor,
)

Run = Callable[..., Any]

ELSEWHERE = Address("server", "where@else")


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def locals_of_a_crash() -> list[str]:
    """Crash a process that nobody awaits; name what its frame still has."""

    async def crash() -> None:
        treasure = "kept"
        raise ValueError(treasure)

    _, ref = spawn_monitor(crash)
    down = await receive(ref)
    await sleep(0)
    traceback = down.reason.__traceback__
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return list(traceback.tb_frame.f_locals)


class TestTurn:
    async def test_nobody_else_runs_between_two_awaits(self) -> None:
        log: list[tuple[str, int]] = []

        async def writer(name: str, other: Process) -> None:
            for _ in range(3):
                for step in range(3):
                    send(other, step)
                    log.append((name, step))
                await sleep(0)

        refs = [spawn_monitor(writer, name, self_())[1] for name in "ab"]
        for ref in refs:
            await receive(ref)
        turns = [log[i : i + 3] for i in range(0, len(log), 3)]

        assert len(turns) == 6
        for turn in turns:
            assert turn == [(turn[0][0], step) for step in range(3)]
        assert [await receive(int) for _ in log] == [0, 1, 2] * 6


class TestCall:
    async def test_a_request_that_was_given_up_is_handled_all_the_same(self) -> None:
        me = self_()

        class Slow(GenServer):
            async def handle_call(self, request: Any, from_: GenCall) -> str:
                await receive(lambda message: message == "go on")
                send(me, ("handled", request))
                return "late"

        server = await Slow.start()
        assert server is not None
        with pytest.raises(CallError):
            await GenServer.call(server, "request", timeout=0)
        send(server, "go on")

        assert await receive() == ("handled", "request")
        await GenServer.stop(server)


class TestHibernate:
    async def test_is_accepted_and_does_nothing(self) -> None:
        class Sleepy(GenServer):
            def init(self) -> Hibernate:
                self.said: list[str] = []
                return Hibernate()

            def handle_cast(self, request: Any) -> Hibernate:
                self.said.append(request)
                return Hibernate()

            def handle_call(self, request: Any, from_: GenCall) -> Answer:
                return Answer(self.said, then=Hibernate())

        server = await Sleepy.start()
        assert server is not None
        GenServer.cast(server, "one")
        GenServer.cast(server, "two")

        assert await GenServer.call(server, None) == ["one", "two"]
        await GenServer.stop(server)


class TestOtherNode:
    async def test_a_call_has_no_connection(self) -> None:
        with pytest.raises(CallError) as caught:
            await GenServer.call(ELSEWHERE, "request")

        assert caught.value.reason is NOCONNECTION

    async def test_a_monitor_has_no_connection(self) -> None:
        ref = monitor(ELSEWHERE)

        assert await receive() == Down(ref, ELSEWHERE, NOCONNECTION)

    async def test_a_message_is_dropped(self) -> None:
        fastask.register("server")
        send(ELSEWHERE, "message")
        send(self_(), "another")
        fastask.unregister("server")

        assert await receive() == "another"


class TestTraceback:
    def test_of_a_crash_keeps_no_local_variables(self, run: Run) -> None:
        assert run(locals_of_a_crash) == []

    def test_of_a_crash_keeps_them_in_debug_mode(self, run: Run) -> None:
        assert run(locals_of_a_crash, debug=True) == ["treasure"]


class TestAwaitTwice:
    async def test_of_a_task_whose_value_was_taken_is_an_error(self) -> None:
        async def one() -> int:
            return 1

        async def owner() -> None:
            task = async_(one)
            await task
            await task

        process, ref = spawn_monitor(owner)
        for _ in range(20):
            await sleep(0)
        down = fastask.receive_nowait(ref, default=None)
        fastask.exit(process, KILL)

        assert down is not None
        assert isinstance(down.reason, RuntimeError)

    async def test_of_a_task_that_was_let_go_is_an_error(self) -> None:
        task = async_(idle)
        fastask.ignore(task)

        with pytest.raises(RuntimeError, match="given up"):
            await task
        fastask.exit(task.process, KILL)


class TestAncestors:
    async def test_that_nobody_holds_any_more_are_not_named(self) -> None:
        async def middle(parent: Process) -> None:
            send(parent, spawn(idle))

        process, ref = spawn_monitor(middle, self_())
        grandchild = await receive(Process)
        await receive(ref)
        del process
        gc.collect()
        info = process_info(grandchild)
        fastask.exit(grandchild, KILL)

        assert info is not None
        assert info.ancestors == [self_()]
