"""Links: both ways, one per pair, and what they carry."""

from __future__ import annotations

from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Exit,
    Exited,
    NoProcessError,
    Process,
    link,
    monitor,
    process_info,
    processes,
    receive,
    self_,
    send,
    sleep,
    spawn,
    spawn_link,
    spawn_monitor,
    trap_exit,
    unlink,
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


def links_of(process: Process) -> list[Process]:
    info = process_info(process)
    assert info is not None
    return list(info.links)


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


class TestLink:
    async def test_returns_none(self) -> None:
        process = spawn(idle)
        # To a type checker there is nothing to look at:
        result: object = link(process)  # type: ignore[func-returns-value]
        await end(process)

        assert result is None

    async def test_both_sides_have_it(self) -> None:
        process = spawn(idle)
        link(process)

        assert links_of(self_()) == [process]
        assert links_of(process) == [self_()]
        await end(process)

    async def test_there_is_one_per_pair(self) -> None:
        """PROC 24."""
        process, ref = spawn_monitor(leave_when_told)
        link(process)
        link(process)
        unlink(process)
        send(process, ("boom",))
        await receive(ref)

        assert links_of(self_()) == []
        assert mailbox() == []

    async def test_two_links_give_one_message(self) -> None:
        trap_exit(True)
        process, ref = spawn_monitor(leave_when_told)
        link(process)
        link(process)
        send(process, ("boom",))
        await receive(ref)

        assert [message.reason for message in mailbox()] == ["boom"]

    async def test_to_oneself_does_nothing(self) -> None:
        link(self_())

        assert links_of(self_()) == []

    async def test_a_dead_peer_is_an_error(self) -> None:
        """PROC 26."""
        process = await dead()
        with pytest.raises(NoProcessError) as caught:
            link(process)

        assert isinstance(caught.value, LookupError)
        assert links_of(self_()) == []
        assert mailbox() == []

    async def test_a_dead_peer_is_a_message_when_trapping(self) -> None:
        """PROC 27."""
        trap_exit(True)
        process = await dead()
        link(process)
        message = await receive()

        assert isinstance(message, Exited)
        assert (message.process, message.reason) == (process, NOPROC)

    async def test_is_gone_when_the_peer_is(self) -> None:
        process, ref = spawn_monitor(nothing)
        link(process)
        await receive(ref)

        assert links_of(self_()) == []

    async def test_works_from_either_side(self) -> None:
        async def peer(parent: Process, other: Process) -> None:
            link(other)
            send(parent, "linked")
            await idle()

        first, first_ref = spawn_monitor(leave_when_told)
        second, second_ref = spawn_monitor(peer, self_(), first)
        await receive(str)
        send(first, ("boom",))

        assert (await receive(second_ref)).reason == "boom"
        assert (await receive(first_ref)).reason == "boom"


class TestUnlink:
    async def test_returns_none(self) -> None:
        process = spawn_link(idle)
        # To a type checker there is nothing to look at:
        result: object = unlink(process)  # type: ignore[func-returns-value]
        await end(process)

        assert result is None

    async def test_a_later_crash_does_nothing(self) -> None:
        """PROC 29."""
        process, ref = spawn_monitor(leave_when_told)
        link(process)
        unlink(process)
        send(process, ("boom",))
        await receive(ref)

        assert mailbox() == []

    async def test_a_later_crash_is_no_message_when_trapping(self) -> None:
        """PROC 29."""
        trap_exit(True)
        process, ref = spawn_monitor(leave_when_told)
        link(process)
        unlink(process)
        send(process, ("boom",))
        await receive(ref)

        assert mailbox() == []

    async def test_takes_the_link_from_both_sides(self) -> None:
        process = spawn_link(idle)
        unlink(process)

        assert links_of(self_()) == []
        assert links_of(process) == []
        await end(process)

    async def test_leaves_a_message_that_has_arrived(self) -> None:
        """PROC 30."""
        trap_exit(True)
        process, ref = spawn_monitor(leave, "boom")
        link(process)
        await receive(ref)
        unlink(process)

        assert [message.reason for message in mailbox()] == ["boom"]

    async def test_without_a_link_does_nothing(self) -> None:
        process = spawn(idle)
        unlink(process)

        assert process.alive
        await end(process)

    async def test_of_a_dead_process_does_nothing(self) -> None:
        process = await dead()
        unlink(process)

        assert mailbox() == []

    async def test_of_oneself_does_nothing(self) -> None:
        unlink(self_())

        assert links_of(self_()) == []

    async def test_can_be_linked_again(self) -> None:
        trap_exit(True)
        process = spawn_link(leave_when_told)
        unlink(process)
        link(process)
        send(process, ("boom",))

        assert (await receive(Exited)).reason == "boom"

    async def test_counts_even_if_the_peer_is_ending_just_now(self) -> None:
        async def child(parent: Process) -> None:
            peer = spawn_link(idle)
            fastask.exit(peer, "boom")
            unlink(peer)
            ref = monitor(peer)
            await receive(ref)
            send(parent, "lives")

        process, ref = spawn_monitor(child, self_())

        assert await receive() == "lives"
        assert (await receive(ref)).reason is NORMAL


class TestPropagation:
    @pytest.mark.parametrize(
        "reason", ["boom", SHUTDOWN, (SHUTDOWN, 1), KILLED, KILL, None], ids=repr
    )
    async def test_kills_a_peer_that_does_not_trap(self, reason: object) -> None:
        """PROC 15."""

        async def peer() -> None:
            spawn_link(leave, reason)
            await idle()

        process, ref = spawn_monitor(peer)

        assert (await receive(ref)).reason is reason

    async def test_carries_the_exception_itself(self) -> None:
        error = ValueError("boom")

        async def crash() -> None:
            raise error

        async def peer() -> None:
            spawn_link(crash)
            await idle()

        process, ref = spawn_monitor(peer)

        assert (await receive(ref)).reason is error

    @pytest.mark.parametrize(
        "reason", ["boom", SHUTDOWN, (SHUTDOWN, 1), NORMAL, KILL, KILLED], ids=repr
    )
    async def test_is_a_message_to_a_peer_that_traps(self, reason: object) -> None:
        trap_exit(True)
        process = spawn_link(leave, reason)
        message = await receive(Exited)

        assert message.process is process
        assert message.reason is reason

    async def test_a_normal_end_of_the_parent_leaves_the_child(self) -> None:
        """PROC 31."""

        async def parent(grandparent: Process) -> None:
            send(grandparent, spawn_link(idle))

        _, ref = spawn_monitor(parent, self_())
        child = await receive(Process)
        await receive(ref)
        await sleep(0)

        assert child.alive
        assert links_of(child) == []
        await end(child)

    async def test_an_abnormal_end_of_the_parent_takes_the_child(self) -> None:
        """PROC 31."""

        async def parent(grandparent: Process) -> None:
            send(grandparent, spawn_link(idle))
            await receive(tuple)
            raise Exit("boom")

        process, ref = spawn_monitor(parent, self_())
        child = await receive(Process)
        child_ref = monitor(child)
        send(process, ("go",))

        assert (await receive(child_ref)).reason == "boom"
        assert (await receive(ref)).reason == "boom"

    async def test_goes_down_a_chain_with_the_direct_peer_as_sender(self) -> None:
        """PROC 16."""
        trap_exit(True)

        async def middle() -> None:
            spawn_link(leave, "boom")
            await idle()

        process = spawn_link(middle)
        message = await receive(Exited)

        assert (message.process, message.reason) == (process, "boom")
        assert mailbox() == []

    async def test_a_peer_that_traps_stops_it(self) -> None:
        async def middle(parent: Process) -> None:
            spawn_link(leave, "boom")
            await receive(Exited)
            send(parent, "trapped")

        process, ref = spawn_monitor(middle, self_(), trap_exit=True)

        assert await receive(str) == "trapped"
        assert (await receive(ref)).reason is NORMAL

    async def test_a_ring_ends_once_with_one_reason(self) -> None:
        async def member(parent: Process) -> None:
            link(await receive(Process))
            send(parent, "linked")
            await leave_when_told()

        ring = [spawn_monitor(member, self_()) for _ in range(10)]
        for index, (process, _) in enumerate(ring):
            send(process, ring[index - 1][0])
        for _ in ring:
            await receive(str)
        send(ring[3][0], ("boom",))
        downs = [await receive(ref) for _, ref in ring]

        assert [down.reason for down in downs] == ["boom"] * 10
        assert mailbox() == []

    async def test_a_long_chain_needs_no_recursion(self) -> None:
        """Gotcha 24."""
        length = 10_000
        before = len(processes())

        async def member(parent: Process, left: int) -> None:
            if left:
                spawn_link(member, parent, left - 1)
            else:
                send(parent, self_())
            await idle()

        first, ref = spawn_monitor(member, self_(), length)
        last = await receive(Process)
        fastask.exit(last, "boom")
        down = await receive(ref)

        assert (down.process, down.reason) == (first, "boom")
        assert len(processes()) == before
        assert mailbox() == []

    async def test_a_star_takes_every_peer_once(self) -> None:
        async def centre(parent: Process) -> None:
            for _ in range(1000):
                send(parent, spawn_link(idle))
            send(parent, "ready")
            await leave_when_told()

        process, ref = spawn_monitor(centre, self_())
        peers = [await receive(Process) for _ in range(1000)]
        refs = [monitor(peer) for peer in peers]
        await receive(str)
        send(process, ("boom",))
        downs = [await receive(one) for one in refs]
        await receive(ref)

        assert {down.reason for down in downs} == {"boom"}
        assert mailbox() == []

    async def test_hits_a_process_that_waits_for_something_else(self) -> None:
        """Gotcha 15."""

        async def peer(parent: Process) -> None:
            spawn_link(leave_when_told, name="linked")
            send(parent, "ready")
            try:
                await sleep(30.0)
            except Exception:
                send(parent, "caught")

        process, ref = spawn_monitor(peer, self_())
        await receive(str)
        send("linked", ("boom",))

        assert (await receive(ref)).reason == "boom"
        assert mailbox() == []
