"""Exit signals: the decision table, trapping, and what a death looks like."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    Exited,
    Process,
    alias,
    monitor,
    process_info,
    processes,
    receive,
    self_,
    send,
    spawn,
    spawn_link,
    spawn_monitor,
    trap_exit,
    unlink,
    whereis,
)


async def nothing() -> None:
    """Return at once."""


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def leave(reason: object) -> None:
    raise Exit(reason)


async def pass_on(parent: Process) -> None:
    """Tell the parent that we run, then pass every message on to it."""
    send(parent, "ready")
    while True:
        send(parent, await receive())


async def ready(*, trap_exit: bool = False) -> tuple[Process, fastask.Ref]:
    """Start a monitored process that passes its messages on, and wait for it."""
    process, ref = spawn_monitor(pass_on, self_(), trap_exit=trap_exit)
    assert await receive() == "ready"
    return process, ref


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


async def is_alive(process: Process) -> bool:
    """Ask the process itself, so that a signal on its way has its effect first."""
    ref = monitor(process)
    send(process, "ping")
    message = await receive(ref, lambda message: message == "ping")
    fastask.demonitor(ref, flush=True)
    return not isinstance(message, Down)


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


class TestSignalToAnother:
    async def test_normal_is_dropped(self) -> None:
        """PROC 7."""
        process, ref = await ready()
        fastask.exit(process, NORMAL)

        assert await is_alive(process)
        assert mailbox() == []
        await end(process)
        await receive(ref)

    async def test_normal_is_dropped_and_the_next_reason_kills(self) -> None:
        """PROC 8."""
        trap_exit(True)
        process, ref = await ready()
        fastask.link(process)
        fastask.exit(process, NORMAL)
        fastask.exit(process, "abnormal")
        message = await receive(Exited)

        assert (message.process, message.reason) == (process, "abnormal")
        assert not process.alive
        assert (await receive(ref)).reason == "abnormal"

    async def test_normal_is_a_message_to_a_trapping_process(self) -> None:
        """PROC 9."""
        process, ref = await ready(trap_exit=True)
        fastask.exit(process, NORMAL)
        message = await receive(Exited)

        assert (message.process, message.reason) == (self_(), NORMAL)
        assert process.alive
        await end(process)
        await receive(ref)

    @pytest.mark.parametrize(
        "reason", ["boom", SHUTDOWN, (SHUTDOWN, 1), KILLED, None, ("any", ["term"])]
    )
    async def test_any_other_reason_kills_with_that_reason(
        self, reason: object
    ) -> None:
        process, ref = await ready()
        fastask.exit(process, reason)

        assert (await receive(ref)).reason is reason

    async def test_an_exception_is_a_reason_like_any_other(self) -> None:
        error = ValueError("boom")
        process, ref = await ready()
        fastask.exit(process, error)

        assert (await receive(ref)).reason is error

    @pytest.mark.parametrize("reason", ["boom", SHUTDOWN, (SHUTDOWN, 1), KILLED, None])
    async def test_any_other_reason_is_a_message_when_trapped(
        self, reason: object
    ) -> None:
        process, ref = await ready(trap_exit=True)
        fastask.exit(process, reason)
        message = await receive(Exited)

        assert message.process is self_()
        assert message.reason is reason
        assert process.alive
        await end(process)
        await receive(ref)

    @pytest.mark.parametrize("trapping", [False, True])
    async def test_kill_becomes_killed(self, trapping: bool) -> None:
        process, ref = await ready(trap_exit=trapping)
        fastask.exit(process, KILL)

        assert (await receive(ref)).reason is KILLED
        assert mailbox() == []

    async def test_the_peers_of_a_killed_process_get_killed(self) -> None:
        """Gotcha 12."""
        trap_exit(True)
        process = spawn_link(idle)
        fastask.exit(process, KILL)
        message = await receive(Exited)

        assert (message.process, message.reason) == (process, KILLED)

    async def test_exit_returns_none(self) -> None:
        process, ref = await ready()
        # To a type checker there is nothing to look at:
        result: object = fastask.exit(process, "boom")  # type: ignore[func-returns-value]
        await receive(ref)

        assert result is None

    async def test_to_a_dead_process_it_is_silent(self) -> None:
        process, ref = spawn_monitor(nothing)
        await receive(ref)
        fastask.exit(process, "boom")
        fastask.exit(process, KILL)

        assert mailbox() == []

    async def test_by_name(self) -> None:
        process, ref = spawn_monitor(idle, name="worker")
        fastask.exit("worker", "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_by_alias(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, alias())
            await idle()

        process, ref = spawn_monitor(child, self_())
        address = await receive(fastask.Ref)
        fastask.exit(address, "boom")
        down = await receive(Down)

        assert (down.ref, down.process, down.reason) == (ref, process, "boom")

    async def test_does_not_wait_for_unread_messages(self) -> None:
        """Gotcha 16."""
        process, ref = await ready()
        send(process, "unread")
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"
        assert mailbox() == []

    async def test_does_not_wait_for_a_receive(self) -> None:
        """Gotcha 16."""

        async def child(parent: Process) -> None:
            send(parent, "ready")
            await asyncio.get_running_loop().create_future()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_cancels_the_future_that_the_process_waits_for(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def child(parent: Process) -> None:
            send(parent, "ready")
            await future

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")
        await receive(ref)

        assert future.cancelled()

    async def test_other_signals_take_effect_at_the_next_turn(self) -> None:
        process, ref = await ready()
        fastask.exit(process, "boom")
        right_after = process.alive
        await receive(ref)

        assert right_after
        assert not process.alive

    async def test_the_first_reason_stays(self) -> None:
        process, ref = await ready()
        fastask.exit(process, "first")
        fastask.exit(process, "second")

        assert (await receive(ref)).reason == "first"
        assert mailbox() == []


class TestSignalToOneself:
    async def test_normal_ends_the_caller(self) -> None:
        """PROC 10."""
        trap_exit(True)
        ran: list[str] = []

        async def child() -> None:
            fastask.exit(self_(), NORMAL)
            ran.append("after")

        process = spawn_link(child)
        message = await receive(Exited)

        assert (message.process, message.reason) == (process, NORMAL)
        assert ran == []

    async def test_normal_is_a_message_when_trapped(self) -> None:
        """PROC 11."""
        trap_exit(True)
        fastask.exit(self_(), NORMAL)
        message = await receive(timeout=0)

        assert (message.process, message.reason) == (self_(), NORMAL)

    @pytest.mark.parametrize("reason", ["boom", SHUTDOWN, (SHUTDOWN, 1)])
    async def test_another_reason_ends_the_caller_with_it(self, reason: object) -> None:
        ran: list[str] = []

        async def child() -> None:
            fastask.exit(self_(), reason)
            ran.append("after")

        process, ref = spawn_monitor(child)

        assert (await receive(ref)).reason == reason
        assert ran == []

    async def test_another_reason_is_a_message_when_trapped(self) -> None:
        trap_exit(True)
        fastask.exit(self_(), "boom")
        message = await receive(timeout=0)

        assert (message.process, message.reason) == (self_(), "boom")

    @pytest.mark.parametrize("trapping", [False, True])
    async def test_kill_ends_the_caller_killed(self, trapping: bool) -> None:
        ran: list[str] = []

        async def child() -> None:
            fastask.exit(self_(), KILL)
            ran.append("after")

        process, ref = spawn_monitor(child, trap_exit=trapping)

        assert (await receive(ref)).reason is KILLED
        assert ran == []

    async def test_does_not_return_from_a_plain_function_either(self) -> None:
        ran: list[str] = []

        def deep() -> None:
            fastask.exit(self_(), "boom")
            ran.append("deep")

        async def child() -> None:
            deep()
            ran.append("child")

        process, ref = spawn_monitor(child)

        assert (await receive(ref)).reason == "boom"
        assert ran == []

    async def test_cannot_be_caught_as_an_exception(self) -> None:
        async def child() -> None:
            try:
                fastask.exit(self_(), "boom")
            except Exception:
                raise Exit("caught") from None

        process, ref = spawn_monitor(child)

        assert (await receive(ref)).reason == "boom"


class TestOwnExit:
    async def test_kill_as_own_reason_stays_kill(self) -> None:
        """PROC 14."""
        trap_exit(True)
        process = spawn_link(leave, KILL)
        message = await receive(Exited)

        assert (message.process, message.reason) == (process, KILL)

    async def test_kill_as_own_reason_kills_a_peer_with_kill(self) -> None:
        """PROC 14."""

        async def peer() -> None:
            spawn_link(leave, KILL)
            await idle()

        process, ref = spawn_monitor(peer)

        assert (await receive(ref)).reason is KILL

    async def test_kill_as_own_reason_is_trapped_by_a_peer(self) -> None:
        """PROC 14."""

        async def peer(parent: Process) -> None:
            spawn_link(leave, KILL)
            send(parent, await receive(Exited))

        process, ref = spawn_monitor(peer, self_(), trap_exit=True)

        assert (await receive(Exited)).reason is KILL
        assert (await receive(ref)).reason is NORMAL


class TestTrapExit:
    async def test_returns_the_previous_value(self) -> None:
        """PROC 23."""
        assert trap_exit(True) is False
        assert trap_exit(True) is True
        assert trap_exit(False) is True
        assert trap_exit(False) is False

    async def test_counts_when_the_signal_arrives(self) -> None:
        async def child(parent: Process) -> None:
            trap_exit(True)
            send(parent, "trapping")
            await receive(Exited)
            trap_exit(False)
            send(parent, "not trapping")
            await idle()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "trapped")
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_clearing_it_leaves_queued_signals_messages(self) -> None:
        """PROC 22."""
        trap_exit(True)
        fastask.exit(self_(), "queued")
        trap_exit(False)
        messages = mailbox()

        assert [(type(m), m.reason) for m in messages] == [(Exited, "queued")]

    async def test_clearing_it_makes_later_signals_kill(self) -> None:
        """PROC 22."""

        async def child(parent: Process) -> None:
            trap_exit(True)
            fastask.exit(self_(), "queued")
            trap_exit(False)
            send(parent, "cleared")
            await idle()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_is_a_flag_of_one_process(self) -> None:
        trap_exit(True)
        process, ref = await ready()
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_a_trapped_link_names_the_peer(self) -> None:
        """Gotcha 25."""
        trap_exit(True)
        child = spawn_link(leave, "boom")

        assert (await receive(Exited)).process is child

    async def test_a_trapped_exit_names_the_caller(self) -> None:
        """Gotcha 25."""
        trap_exit(True)
        me = self_()

        async def caller() -> None:
            fastask.exit(me, "boom")

        child, ref = spawn_monitor(caller)
        message = await receive(Exited)
        await receive(ref)

        assert message.process is child


class TestDeath:
    async def test_a_killed_process_is_dead_before_the_caller_yields(self) -> None:
        """PROC 19."""
        process, ref = await ready()
        fastask.exit(process, KILL)

        assert not process.alive
        await receive(ref)

    async def test_everyone_agrees_that_a_killed_process_is_dead(self) -> None:
        process = spawn(idle, name="worker")
        fastask.exit(process, KILL)

        assert whereis("worker") is None
        assert process not in processes()
        assert process_info(process) is None

    async def test_the_name_of_a_killed_process_is_free_at_once(self) -> None:
        first = spawn(idle, name="worker")
        fastask.exit(first, KILL)
        second = spawn(idle, name="worker")

        assert whereis("worker") is second
        await end(second)

    async def test_a_process_is_dead_when_its_down_is_received(self) -> None:
        """Gotcha 17."""
        process, ref = spawn_monitor(leave, "boom")
        await receive(ref)

        assert not process.alive
        assert process not in processes()
        assert process_info(process) is None

    async def test_a_process_is_dead_when_its_exit_is_received(self) -> None:
        """Gotcha 17."""
        trap_exit(True)
        process = spawn_link(leave, "boom")
        await receive(Exited)

        assert not process.alive
        assert process not in processes()
        assert process_info(process) is None

    async def test_messages_come_before_exit_and_exit_before_down(self) -> None:
        """PROC 41."""
        trap_exit(True)

        async def child(parent: Process) -> None:
            send(parent, "first")
            send(parent, "second")
            raise Exit("boom")

        for _ in range(200):
            process, ref = spawn_monitor(child, self_())
            fastask.link(process)
            messages = [await receive() for _ in range(4)]

            assert messages[:2] == ["first", "second"]
            assert [type(message) for message in messages[2:]] == [Exited, Down]
            assert messages[2].process is process
            assert messages[3].ref == ref

    async def test_link_before_monitor_gives_the_same_order(self) -> None:
        """PROC 41."""
        trap_exit(True)
        for _ in range(200):
            process = spawn_link(leave, "boom")
            monitor(process)

            assert [type(await receive()) for _ in range(2)] == [Exited, Down]

    async def test_a_killed_process_gives_exit_before_down(self) -> None:
        trap_exit(True)
        process, ref = spawn_monitor(idle)
        fastask.link(process)
        fastask.exit(process, KILL)
        first, second = await receive(), await receive()

        assert (type(first), type(second)) == (Exited, Down)
        assert (first.reason, second.reason) == (KILLED, KILLED)
        assert second.ref == ref
