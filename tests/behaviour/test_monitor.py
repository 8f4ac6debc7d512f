"""Monitors: one way, as many as wanted, one `Down` each."""

from __future__ import annotations

from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    NOPROC,
    NORMAL,
    Down,
    Exit,
    Exited,
    Process,
    demonitor,
    make_ref,
    monitor,
    process_info,
    receive,
    register,
    self_,
    send,
    sleep,
    spawn,
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


async def leave_when_told() -> None:
    """Wait for a reason and end with it."""
    raise Exit((await receive(tuple))[0])


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


async def dead() -> Process:
    process, ref = spawn_monitor(nothing)
    await receive(ref)
    return process


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


class TestMonitor:
    async def test_a_normal_end_gives_a_down(self) -> None:
        """PROC 1."""
        process = spawn(nothing)
        ref = monitor(process)
        down = await receive()

        assert isinstance(down, Down)
        assert (down.ref, down.process, down.reason) == (ref, process, NORMAL)

    async def test_each_call_makes_a_monitor_of_its_own(self) -> None:
        """PROC 35."""
        process = spawn(leave_when_told)
        first, second = monitor(process), monitor(process)
        send(process, ("boom",))
        downs = [await receive(Down), await receive(Down)]

        assert first != second
        assert {down.ref for down in downs} == {first, second}
        assert [down.reason for down in downs] == ["boom", "boom"]
        assert mailbox() == []

    async def test_tells_every_watcher(self) -> None:
        async def watcher(parent: Process, watched: Process) -> None:
            ref = monitor(watched)
            send(parent, "watching")
            send(parent, ((await receive(ref)).reason,))

        process = spawn(leave_when_told)
        watchers = [spawn(watcher, self_(), process) for _ in range(10)]
        for _ in watchers:
            await receive(str)
        send(process, ("boom",))
        reasons = [await receive(tuple) for _ in watchers]

        assert reasons == [("boom",)] * 10
        await end(*watchers)

    async def test_never_kills_the_watcher(self) -> None:
        process = spawn(leave, "boom")
        ref = monitor(process)
        await receive(ref)
        await sleep(0)

        assert mailbox() == []

    async def test_goes_one_way(self) -> None:
        async def watcher(parent: Process, watched: Process) -> None:
            monitor(watched)
            send(parent, "watching")
            await leave_when_told()

        watched = spawn(idle)
        process, ref = spawn_monitor(watcher, self_(), watched)
        await receive(str)
        send(process, ("boom",))
        await receive(ref)
        info = process_info(watched)

        assert watched.alive
        assert info is not None
        assert info.monitored_by == []
        await end(watched)

    async def test_a_dead_process_gives_noproc_as_a_message(self) -> None:
        """Gotcha 18."""
        process, first = spawn_monitor(leave, "the real reason")
        await receive(first)
        ref = monitor(process)
        down = await receive()

        assert isinstance(down, Down)
        assert (down.ref, down.process, down.reason) == (ref, process, NOPROC)

    async def test_an_unknown_name_gives_noproc_and_the_name(self) -> None:
        """PROC 34."""
        ref = monitor("nobody")
        down = await receive()

        assert isinstance(down, Down)
        assert (down.ref, down.process, down.reason) == (ref, "nobody", NOPROC)

    async def test_a_known_name_gives_the_reason_and_the_name(self) -> None:
        """PROC 34."""
        process = spawn(leave_when_told, name="worker")
        ref = monitor("worker")
        send(process, ("boom",))
        down = await receive()

        assert (down.ref, down.process, down.reason) == (ref, "worker", "boom")

    async def test_a_name_is_looked_up_when_the_monitor_is_made(self) -> None:
        first = spawn(leave_when_told, name="worker")
        ref = monitor("worker")
        fastask.unregister("worker")
        second = spawn(idle, name="worker")
        send(first, ("boom",))
        down = await receive(ref)

        assert (down.process, down.reason) == ("worker", "boom")
        await end(second)

    async def test_of_oneself_records_nothing(self) -> None:
        """PROC 36."""
        ref = monitor(self_())
        info = process_info(self_())

        assert isinstance(ref, fastask.Ref)
        assert info is not None
        assert (info.monitors, info.monitored_by, info.messages) == ([], [], [])

    async def test_of_oneself_by_name_records_nothing(self) -> None:
        """PROC 36."""
        register("root")
        monitor("root")
        info = process_info(self_())
        fastask.unregister("root")

        assert info is not None
        assert (info.monitors, info.monitored_by, info.messages) == ([], [], [])

    async def test_messages_come_before_the_down(self) -> None:
        """PROC 40."""

        async def child(parent: Process) -> None:
            send(parent, "first")
            send(parent, "second")

        for _ in range(200):
            process, ref = spawn_monitor(child, self_())
            first, second, down = [await receive() for _ in range(3)]

            assert (first, second) == ("first", "second")
            assert (down.ref, down.process) == (ref, process)

    async def test_messages_come_before_the_down_after_a_crash(self) -> None:
        """PROC 40, gotcha 7."""

        async def child(parent: Process) -> None:
            send(parent, "first")
            await sleep(0)
            send(parent, "second")
            raise ValueError("boom")

        for _ in range(200):
            process, ref = spawn_monitor(child, self_())
            first, second, down = [await receive() for _ in range(3)]

            assert (first, second) == ("first", "second")
            assert (down.ref, down.process) == (ref, process)

    async def test_the_name_is_free_when_the_down_is_received(self) -> None:
        """PROC 49."""
        for _ in range(50):
            process = spawn(leave_when_told, name="worker")
            ref = monitor(process)
            send(process, ("boom",))
            await receive(ref)

            assert whereis("worker") is None
            register("worker")
            fastask.unregister("worker")

    async def test_a_down_does_not_disturb_a_receive_of_something_else(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "wanted")

        process, ref = spawn_monitor(nothing)
        await sleep(0)
        second, second_ref = spawn_monitor(child, self_())

        assert await receive(str) == "wanted"
        assert (await receive(ref)).process is process
        assert (await receive(second_ref)).process is second

    async def test_linked_and_monitored_gives_two_messages(self) -> None:
        """Gotcha 23."""
        trap_exit(True)
        process, _ = spawn_monitor(leave, "boom")
        fastask.link(process)

        assert isinstance(await receive(), Exited)
        assert isinstance(await receive(), Down)
        assert mailbox() == []


class TestDemonitor:
    async def test_before_the_end_no_down_comes(self) -> None:
        """PROC 37."""
        process, other = spawn_monitor(leave_when_told)
        ref = monitor(process)
        removed = demonitor(ref)
        send(process, ("boom",))
        await receive(other)

        assert removed is True
        assert mailbox() == []

    async def test_is_true_once(self) -> None:
        """Detail 9."""
        process = spawn(idle)
        ref = monitor(process)
        answers = [demonitor(ref), demonitor(ref)]
        await end(process)

        assert answers == [True, False]

    async def test_is_false_for_a_ref_that_is_no_monitor(self) -> None:
        """Detail 9."""
        assert demonitor(make_ref()) is False

    async def test_is_false_when_the_monitor_has_fired(self) -> None:
        """Detail 9."""
        process, ref = spawn_monitor(nothing)
        await receive(ref)

        assert process.alive is False
        assert demonitor(ref) is False

    async def test_is_false_for_a_dead_target(self) -> None:
        """Detail 9."""
        ref = monitor(await dead())

        assert demonitor(ref) is False
        assert (await receive(ref)).reason is NOPROC

    async def test_leaves_a_down_that_has_arrived(self) -> None:
        """Gotcha 19."""
        process, ref = spawn_monitor(nothing)
        other = monitor(process)
        await receive(other)

        assert demonitor(ref) is False
        assert [message.ref for message in mailbox()] == [ref]

    async def test_with_flush_takes_a_down_that_has_arrived(self) -> None:
        process, ref = spawn_monitor(nothing)
        other = monitor(process)
        await receive(other)

        assert demonitor(ref, flush=True) is False
        assert mailbox() == []

    async def test_with_flush_before_the_end_is_true(self) -> None:
        process = spawn(idle)
        removed = demonitor(monitor(process), flush=True)
        await end(process)

        assert removed is True
        assert mailbox() == []

    async def test_with_flush_leaves_other_messages(self) -> None:
        process, ref = spawn_monitor(nothing)
        other = monitor(process)
        await receive(other)
        send(self_(), "before")
        demonitor(ref, flush=True)

        assert mailbox() == ["before"]

    async def test_leaves_other_monitors_of_the_same_process(self) -> None:
        process = spawn(leave_when_told)
        first, second = monitor(process), monitor(process)
        demonitor(first)
        send(process, ("boom",))
        down = await receive(Down)

        assert down.ref == second
        assert mailbox() == []

    async def test_of_a_monitor_of_another_process_changes_nothing(self) -> None:
        async def stranger(parent: Process, ref: fastask.Ref) -> None:
            send(parent, (demonitor(ref),))

        process, ref = spawn_monitor(leave_when_told)
        helper = spawn(stranger, self_(), ref)
        (removed,) = await receive(tuple)
        send(process, ("boom",))

        assert removed is False
        assert (await receive(ref)).reason == "boom"
        await end(helper)

    async def test_counts_even_if_the_process_is_ending_just_now(self) -> None:
        process, ref = spawn_monitor(idle)
        other = monitor(process)
        fastask.exit(process, "boom")
        demonitor(ref)
        await receive(other)

        assert mailbox() == []

    async def test_leaves_nothing_behind(self) -> None:
        process = spawn(idle)
        for _ in range(1000):
            demonitor(monitor(process))
        mine, its = process_info(self_()), process_info(process)
        await end(process)

        assert mine is not None
        assert its is not None
        assert (mine.monitors, its.monitored_by) == ([], [])

    @pytest.mark.parametrize("flush", [False, True])
    async def test_receiving_its_ref_afterwards_finds_nothing(
        self, flush: bool
    ) -> None:
        process, ref = spawn_monitor(idle)
        demonitor(ref, flush=flush)
        await end(process)

        with pytest.raises(TimeoutError):
            await receive(ref, timeout=0)
