"""What a process tells about itself: process_info, processes, label."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Process,
    ProcessInfo,
    link,
    monitor,
    process_info,
    processes,
    receive,
    self_,
    send,
    set_label,
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


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


def info_of(process: Process) -> ProcessInfo:
    info = process_info(process)
    assert info is not None
    return info


class TestProcessInfo:
    async def test_has_these_fields(self) -> None:
        """PROC 82, detail 18."""
        names = [field.name for field in dataclasses.fields(ProcessInfo)]

        assert names == [
            "registered_name",
            "links",
            "monitors",
            "monitored_by",
            "message_queue_len",
            "messages",
            "trap_exit",
            "status",
            "label",
            "ancestors",
            "callers",
            "function",
        ]

    async def test_is_frozen(self) -> None:
        info: Any = info_of(self_())

        with pytest.raises(dataclasses.FrozenInstanceError):
            info.label = "changed"

    async def test_is_compared_by_value(self) -> None:
        process = spawn(idle)
        await sleep(0)

        assert info_of(process) == info_of(process)
        await end(process)

    async def test_is_none_for_a_dead_process(self) -> None:
        """PROC 82."""
        process, ref = spawn_monitor(nothing)
        await receive(ref)

        assert process_info(process) is None

    async def test_registered_name(self) -> None:
        named, unnamed = spawn(idle, name="worker"), spawn(idle)

        assert info_of(named).registered_name == "worker"
        assert info_of(unnamed).registered_name is None
        await end(named, unnamed)

    async def test_links(self) -> None:
        process, other = spawn(idle), spawn(idle)
        link(process)
        link(other)

        assert set(info_of(self_()).links) == {process, other}
        assert info_of(process).links == [self_()]
        await end(process, other)

    async def test_monitors_and_monitored_by(self) -> None:
        process = spawn(idle)
        ref = monitor(process)

        assert info_of(self_()).monitors == [(ref, process)]
        assert info_of(process).monitored_by == [(ref, self_())]
        fastask.demonitor(ref)
        await end(process)

    async def test_a_monitor_by_name_shows_the_name(self) -> None:
        process = spawn(idle, name="worker")
        ref = monitor("worker")

        assert info_of(self_()).monitors == [(ref, "worker")]
        assert info_of(process).monitored_by == [(ref, self_())]
        fastask.demonitor(ref)
        await end(process)

    async def test_messages_and_their_number(self) -> None:
        process = spawn(idle)
        send(process, "first")
        send(process, "second")
        info = info_of(process)

        assert info.messages == ["first", "second"]
        assert info.message_queue_len == 2
        await end(process)

    async def test_messages_that_were_skipped_are_still_there(self) -> None:
        process = spawn(idle)
        send(process, "first")
        await sleep(0)
        send(process, "second")
        await sleep(0)
        info = info_of(process)

        assert info.messages == ["first", "second"]
        assert info.message_queue_len == 2
        await end(process)

    async def test_looking_takes_no_message(self) -> None:
        send(self_(), "message")
        info_of(self_()).messages.clear()

        assert await receive(timeout=0) == "message"

    async def test_trap_exit(self) -> None:
        before = info_of(self_()).trap_exit
        trap_exit(True)

        assert (before, info_of(self_()).trap_exit) == (False, True)

    async def test_status_tells_running_from_waiting(self) -> None:
        process = spawn(idle)
        await sleep(0)

        assert info_of(self_()).status == "running"
        assert info_of(process).status == "waiting"
        await end(process)

    async def test_status_of_a_process_in_a_foreign_wait_is_waiting(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            await asyncio.get_running_loop().create_future()

        process = spawn(child, self_())
        await receive()

        assert info_of(process).status == "waiting"
        await end(process)

    async def test_label(self) -> None:
        before = info_of(self_()).label
        set_label({"job": 7})

        assert (before, info_of(self_()).label) == (None, {"job": 7})

    async def test_ancestors_go_from_the_nearest_to_the_farthest(self) -> None:
        async def middle(parent: Process) -> None:
            send(parent, spawn_link(idle))
            await idle()

        process = spawn(middle, self_())
        grandchild = await receive(Process)

        assert info_of(process).ancestors == [self_()]
        assert info_of(grandchild).ancestors == [process, self_()]
        await end(process, grandchild)

    async def test_the_root_has_no_ancestors(self) -> None:
        assert info_of(self_()).ancestors == []

    async def test_ancestors_stay_when_they_are_dead(self) -> None:
        async def middle(parent: Process) -> None:
            send(parent, spawn(idle))

        process, ref = spawn_monitor(middle, self_())
        grandchild = await receive(Process)
        await receive(ref)

        assert info_of(grandchild).ancestors == [process, self_()]
        await end(grandchild)

    async def test_callers_of_a_task_go_from_the_nearest_to_the_farthest(self) -> None:
        async def middle(parent: Process) -> None:
            task = fastask.async_nolink(idle)
            send(parent, task.process)
            await idle()

        outer = fastask.async_nolink(middle, self_())
        inner = await receive(Process)

        assert outer.process is not None
        assert info_of(outer.process).callers == [self_()]
        assert info_of(inner).callers == [outer.process, self_()]
        await end(outer.process, inner)
        fastask.demonitor(outer.ref, flush=True)

    async def test_function_names_what_the_process_runs(self) -> None:
        process = spawn(idle)

        assert "idle" in str(info_of(process).function)
        await end(process)


class TestProcesses:
    async def test_lists_the_living(self) -> None:
        before = processes()
        process = spawn(idle)
        during = processes()
        await end(process)

        assert before == [self_()]
        assert set(during) == {self_(), process}
        assert processes() == [self_()]

    async def test_lists_a_process_that_has_not_run_yet(self) -> None:
        process, ref = spawn_monitor(nothing)
        listed = process in processes()
        await receive(ref)

        assert listed

    async def test_is_a_copy(self) -> None:
        processes().clear()

        assert processes() == [self_()]

    async def test_does_not_keep_count_of_the_dead(self) -> None:
        for _ in range(1000):
            _, ref = spawn_monitor(nothing)
            await receive(ref)

        assert processes() == [self_()]


class TestSetLabel:
    async def test_returns_none(self) -> None:
        # To a type checker there is nothing to look at:
        result: object = set_label("label")  # type: ignore[func-returns-value]

        assert result is None

    @pytest.mark.parametrize("label", ["text", 7, ("a", 1), ["mutable"], None])
    async def test_takes_anything(self, label: object) -> None:
        """PROC 85."""
        set_label("before")
        set_label(label)

        assert self_().label == label

    async def test_is_none_without_one(self) -> None:
        """PROC 85."""
        assert self_().label is None
