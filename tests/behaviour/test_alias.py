"""Aliases: addresses that can be switched off."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Down,
    Exit,
    Process,
    Ref,
    Reply,
    alias,
    demonitor,
    make_ref,
    monitor,
    process_info,
    receive,
    self_,
    send,
    spawn,
    spawn_monitor,
    unalias,
    unlink,
)


async def nothing() -> None:
    """Return at once."""


async def answer(address: Ref, *messages: object) -> None:
    """Send messages to an alias."""
    for message in messages:
        send(address, message)


async def answer_when_told() -> None:
    """Send each message to the alias that comes with it; a reason ends it all."""
    while True:
        match await receive():
            case (Ref() as address, message, Process() as done):
                send(address, message)
                send(done, "sent")
            case [reason]:
                raise Exit(reason)


async def tell(process: Process, address: Ref, message: object) -> None:
    """Have `answer_when_told` send a message and wait until it is sent."""
    send(process, (address, message, self_()))
    await receive(lambda message: message == "sent")


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


class TestAlias:
    async def test_is_a_ref_of_its_own(self) -> None:
        first, second = alias(), alias()

        assert isinstance(first, Ref)
        assert first != second
        assert [unalias(first), unalias(second)] == [True, True]

    async def test_brings_messages_to_its_owner(self) -> None:
        address = alias()
        _, ref = spawn_monitor(answer, address, "first", "second")
        await receive(ref)

        assert mailbox() == ["first", "second"]
        unalias(address)

    async def test_explicit_is_the_mode_without_one(self) -> None:
        address = alias("explicit")
        _, ref = spawn_monitor(answer, address, "first", "second")
        await receive(ref)

        assert mailbox() == ["first", "second"]
        assert unalias(address) is True

    async def test_switched_off_it_drops_messages(self) -> None:
        """PROC 61."""
        address = alias()
        unalias(address)
        _, ref = spawn_monitor(answer, address, "dropped")
        await receive(ref)

        assert mailbox() == []

    async def test_switched_off_it_leaves_what_has_arrived(self) -> None:
        address = alias()
        send(address, "arrived")
        unalias(address)

        assert mailbox() == ["arrived"]

    async def test_a_reply_alias_takes_one_message(self) -> None:
        """PROC 62."""
        address = alias("reply")
        _, ref = spawn_monitor(answer, address, "first", "second")
        await receive(ref)

        assert mailbox() == ["first"]

    async def test_a_reply_alias_can_be_switched_off_before(self) -> None:
        address = alias("reply")
        removed = unalias(address)
        send(address, "dropped")

        assert removed is True
        assert mailbox() == []

    async def test_a_reply_alias_is_off_after_its_message(self) -> None:
        address = alias("reply")
        send(address, "first")

        assert unalias(address) is False

    async def test_a_message_through_it_keeps_its_place(self) -> None:
        address = alias()
        send(self_(), "before")
        send(address, "through the alias")
        send(self_(), "after")

        assert mailbox() == ["before", "through the alias", "after"]
        unalias(address)

    async def test_of_a_dead_process_drops_messages(self) -> None:
        async def owner(parent: Process) -> None:
            send(parent, alias())

        _, ref = spawn_monitor(owner, self_())
        address = await receive(Ref)
        await receive(ref)
        send(address, "dropped")

        assert mailbox() == []

    async def test_a_ref_that_is_no_alias_drops_messages(self) -> None:
        send(make_ref(), "dropped")

        assert mailbox() == []


class TestUnalias:
    async def test_is_true_for_an_active_alias_of_ones_own(self) -> None:
        """PROC 63."""
        assert unalias(alias()) is True

    async def test_is_false_the_second_time(self) -> None:
        """PROC 63."""
        address = alias()
        unalias(address)

        assert unalias(address) is False

    async def test_is_false_for_a_ref_that_is_no_alias(self) -> None:
        """PROC 63."""
        assert unalias(make_ref()) is False

    async def test_is_false_for_an_alias_of_another_process(self) -> None:
        """PROC 63."""

        async def stranger(parent: Process, address: Ref) -> None:
            send(parent, (unalias(address),))

        address = alias()
        _, ref = spawn_monitor(stranger, self_(), address)
        (removed,) = await receive(tuple)
        await receive(ref)
        send(address, "still works")

        assert removed is False
        assert mailbox() == ["still works"]
        unalias(address)

    async def test_is_false_for_a_monitor_without_an_alias(self) -> None:
        process, ref = spawn_monitor(answer_when_told)

        assert unalias(ref) is False
        await end(process)
        assert (await receive(ref)).process is process


class TestMonitorWithExplicitAlias:
    async def test_the_reply_and_the_down_both_arrive(self) -> None:
        """PROC 44."""
        process = spawn(answer_when_told)
        ref = monitor(process, alias="explicit")
        await tell(process, ref, "reply")
        send(process, ["boom"])
        down = await receive(Down)

        assert (down.ref, down.reason) == (ref, "boom")
        assert mailbox() == ["reply"]
        unalias(ref)

    async def test_it_survives_the_down(self) -> None:
        process = spawn(nothing)
        ref = monitor(process, alias="explicit")
        await receive(ref)
        send(ref, "after the down")

        assert mailbox() == ["after the down"]
        assert unalias(ref) is True

    async def test_it_survives_demonitor(self) -> None:
        process = spawn(answer_when_told)
        ref = monitor(process, alias="explicit")
        demonitor(ref)
        await tell(process, ref, "after demonitor")

        assert mailbox() == ["after demonitor"]
        assert unalias(ref) is True
        await end(process)

    async def test_unalias_leaves_the_monitor(self) -> None:
        process = spawn(answer_when_told)
        ref = monitor(process, alias="explicit")
        unalias(ref)
        await tell(process, ref, "dropped")
        send(process, ["boom"])

        assert (await receive(ref)).reason == "boom"
        assert mailbox() == []


class TestMonitorWithDemonitorAlias:
    async def test_every_reply_arrives_and_the_monitor_stays(self) -> None:
        """PROC 45."""
        process = spawn(answer_when_told)
        ref = monitor(process, alias="demonitor")
        await tell(process, ref, "first")
        await tell(process, ref, "second")
        send(process, ["boom"])
        down = await receive(Down)

        assert (down.ref, down.reason) == (ref, "boom")
        assert mailbox() == ["first", "second"]

    async def test_it_is_off_after_the_down(self) -> None:
        """PROC 45."""
        process = spawn(nothing)
        ref = monitor(process, alias="demonitor")
        await receive(ref)
        send(ref, "dropped")

        assert mailbox() == []
        assert unalias(ref) is False

    async def test_it_is_off_as_soon_as_the_down_is_delivered(self) -> None:
        process, other = spawn_monitor(nothing)
        ref = monitor(process, alias="demonitor")
        await receive(other)
        send(ref, "dropped")

        assert [message.ref for message in mailbox()] == [ref]

    @pytest.mark.parametrize("flush", [False, True])
    async def test_it_is_off_after_demonitor(self, flush: bool) -> None:
        """PROC 46."""
        process = spawn(answer_when_told)
        ref = monitor(process, alias="demonitor")
        demonitor(ref, flush=flush)
        await tell(process, ref, "dropped")

        assert mailbox() == []
        await end(process)

    async def test_unalias_leaves_the_monitor(self) -> None:
        process = spawn(answer_when_told)
        ref = monitor(process, alias="demonitor")
        removed = unalias(ref)
        await tell(process, ref, "dropped")
        send(process, ["boom"])

        assert removed is True
        assert (await receive(ref)).reason == "boom"
        assert mailbox() == []

    async def test_flush_takes_the_down_and_leaves_the_replies(self) -> None:
        process, other = spawn_monitor(answer_when_told)
        ref = monitor(process, alias="demonitor")
        await tell(process, ref, Reply(ref, "reply"))
        send(process, ["boom"])
        await receive(other)
        demonitor(ref, flush=True)

        assert mailbox() == [(ref, "reply")]


class TestMonitorWithReplyDemonitorAlias:
    async def test_only_the_first_reply_arrives_and_no_down(self) -> None:
        """PROC 47."""
        process, other = spawn_monitor(answer_when_told)
        ref = monitor(process, alias="reply_demonitor")
        await tell(process, ref, "first")
        await tell(process, ref, "second")
        send(process, ["boom"])
        await receive(other)

        assert mailbox() == ["first"]

    async def test_the_first_reply_removes_the_monitor(self) -> None:
        process = spawn(answer_when_told)
        ref = monitor(process, alias="reply_demonitor")
        await tell(process, ref, "first")
        info = process_info(self_())

        assert info is not None
        assert info.monitors == []
        assert demonitor(ref) is False
        await end(process)

    async def test_the_first_reply_leaves_nothing_behind(self) -> None:
        process = spawn(answer_when_told)
        weak = weakref.ref(process)
        ref = monitor(process, alias="reply_demonitor")
        await tell(process, ref, "first")
        await end(process)
        del process, ref
        gc.collect()

        assert weak() is None

    async def test_without_a_reply_the_down_arrives(self) -> None:
        process = spawn(answer_when_told)
        ref = monitor(process, alias="reply_demonitor")
        send(process, ["boom"])

        assert (await receive(ref)).reason == "boom"
        assert unalias(ref) is False

    async def test_it_is_off_after_demonitor(self) -> None:
        process = spawn(answer_when_told)
        ref = monitor(process, alias="reply_demonitor")
        demonitor(ref)
        await tell(process, ref, "dropped")

        assert mailbox() == []
        await end(process)

    async def test_a_dead_target_gives_noproc_and_no_alias(self) -> None:
        process, other = spawn_monitor(nothing)
        await receive(other)
        ref = monitor(process, alias="reply_demonitor")
        down = await receive(ref)
        send(ref, "dropped")

        assert down.reason is fastask.NOPROC
        assert mailbox() == []


async def demonitor_it(ref: Ref, caller: Process[Any]) -> None:
    send(caller, ("removed", demonitor(ref)))


async def test_another_process_cannot_switch_the_alias_of_a_monitor_off() -> None:
    helper = spawn(fastask.sleep, 60)
    ref = monitor(helper, alias="demonitor")
    spawn(demonitor_it, ref, self_())
    assert await receive() == ("removed", False)
    send(ref, "still here")
    fastask.exit(helper, KILL)
    assert fastask.receive_nowait(default=None) == "still here"
