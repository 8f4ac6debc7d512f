"""Starting a process: what it gets, what it inherits, how it ends on its own."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import sys
import warnings
import weakref
from collections.abc import Callable

import pytest

import fastask
from fastask import (
    KILL,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    Exited,
    NameTakenError,
    Process,
    make_ref,
    monitor,
    process_info,
    processes,
    receive,
    self_,
    send,
    set_label,
    spawn,
    spawn_link,
    spawn_monitor,
    trap_exit,
    unlink,
    whereis,
)

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("COLOUR", default="none")


async def nothing() -> None:
    """Return at once."""


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def leave(reason: object) -> None:
    raise Exit(reason)


async def crash(error: BaseException) -> None:
    raise error


async def tell(parent: Process, *message: object) -> None:
    send(parent, message)


def equals(wanted: object) -> Callable[[object], bool]:
    return lambda message: bool(message == wanted)


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


async def reason_of(process: Process, ref: fastask.Ref) -> object:
    """Wait for the end of a monitored process."""
    down = await receive(ref)
    assert down.process is process
    return down.reason


class TestSpawn:
    async def test_returns_the_process_before_it_runs(self) -> None:
        log: list[str] = []

        async def child() -> None:
            log.append("child")

        process, ref = spawn_monitor(child)
        log.append("parent")
        await receive(ref)

        assert isinstance(process, Process)
        assert log == ["parent", "child"]

    async def test_passes_positional_arguments_to_the_function(self) -> None:
        process = spawn(tell, self_(), 1, "two")

        assert await receive() == (1, "two")
        await end(process)

    async def test_keyword_arguments_travel_by_partial(self) -> None:
        async def child(parent: Process, *, colour: str) -> None:
            send(parent, colour)

        process = spawn(functools.partial(child, self_(), colour="red"))

        assert await receive() == "red"
        await end(process)

    async def test_takes_a_coroutine_object(self) -> None:
        process = spawn(tell(self_(), "from a coroutine object"))

        assert await receive() == ("from a coroutine object",)
        await end(process)

    async def test_takes_a_bound_method(self) -> None:
        class Teller:
            async def tell(self, parent: Process) -> None:
                send(parent, self)

        teller = Teller()
        process = spawn(teller.tell, self_())

        assert await receive() is teller
        await end(process)

    async def test_neither_links_nor_monitors(self) -> None:
        process = spawn(idle)
        info = process_info(process)

        assert info is not None
        assert (info.links, info.monitored_by) == ([], [])
        await end(process)

    async def test_the_child_can_be_dead_before_the_caller_goes_on(self) -> None:
        process = spawn(nothing)
        fastask.exit(process, KILL)

        assert not process.alive

    async def test_a_message_sent_before_the_first_run_is_kept(self) -> None:
        async def echo(parent: Process) -> None:
            send(parent, await receive())

        process = spawn(echo, self_())
        send(process, "early")

        assert await receive() == "early"
        await end(process)

    async def test_a_process_runs_though_nobody_holds_its_handle(self) -> None:
        """PROC 90."""

        async def child(parent: Process) -> None:
            send(parent, "ready")
            await receive(str)
            send(parent, self_())

        spawn(child, self_(), name="unheld")
        await receive(equals("ready"))
        gc.collect()
        send("unheld", "go on")

        process = await receive(Process)
        await end(process)

    async def test_a_process_parked_on_a_dropped_future_is_not_collected(self) -> None:
        async def child(parent: Process) -> None:
            waiting = asyncio.get_running_loop().create_future()
            send(parent, weakref.ref(waiting))
            await waiting
            send(parent, "resumed")

        spawn(child, self_(), name="parked")
        reference = await receive(weakref.ref)
        gc.collect()
        future = reference()

        assert future is not None
        future.set_result(None)
        assert await receive() == "resumed"
        parked = whereis("parked")
        if parked is not None:
            await end(parked)

    @pytest.mark.slow
    async def test_100_000_idle_processes_start_answer_and_end(self) -> None:
        """PROC 89."""
        count = 100_000
        before = len(processes())

        async def child(parent: Process) -> None:
            send(parent, await receive())

        children = [spawn(child, self_()) for _ in range(count)]
        alive = len(processes())
        for number, process in enumerate(children):
            send(process, number)
        answers = [await receive(int) for _ in range(count)]
        for process in children:
            ref = monitor(process)
            await receive(ref)

        assert alive == before + count
        assert sorted(answers) == list(range(count))
        assert len(processes()) == before


class TestInheritance:
    async def test_a_child_does_not_trap_exits_though_its_parent_does(self) -> None:
        trap_exit(True)
        process = spawn(idle)
        info = process_info(process)

        assert info is not None
        assert info.trap_exit is False
        await end(process)

    async def test_a_child_has_no_name_label_or_message(self) -> None:
        """PROC 79."""
        fastask.register("parent")
        set_label("parent")
        send(self_(), "for the parent")
        process = spawn(idle)
        info = process_info(process)

        assert info is not None
        assert (info.registered_name, info.label, info.messages) == (None, None, [])
        fastask.unregister("parent")
        await end(process)

    async def test_a_child_sees_the_context_of_its_caller(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, COLOUR.get())

        COLOUR.set("red")
        process = spawn(child, self_())

        assert await receive() == "red"
        await end(process)

    async def test_what_a_child_sets_stays_in_the_child(self) -> None:
        """PROC 78."""

        async def child() -> None:
            COLOUR.set("blue")

        COLOUR.set("red")
        process, ref = spawn_monitor(child)
        await receive(ref)

        assert COLOUR.get() == "red"

    async def test_what_the_caller_sets_later_stays_with_the_caller(self) -> None:
        async def child(parent: Process) -> None:
            await receive()
            send(parent, COLOUR.get())

        COLOUR.set("red")
        process = spawn(child, self_())
        COLOUR.set("blue")
        send(process, "look")

        assert await receive() == "red"
        await end(process)

    async def test_siblings_keep_their_own_context_across_waits(self) -> None:
        async def child(parent: Process, colour: str) -> None:
            COLOUR.set(colour)
            await receive()
            send(parent, (colour, COLOUR.get()))

        children = [spawn(child, self_(), colour) for colour in ("red", "blue")]
        for process in children:
            send(process, "look")
        answers = [await receive(tuple) for _ in children]

        assert sorted(answers) == [("blue", "blue"), ("red", "red")]
        await end(*children)


class TestOptions:
    async def test_the_name_is_registered_when_spawn_returns(self) -> None:
        process = spawn(idle, name="worker")

        assert whereis("worker") is process
        assert process.name == "worker"
        await end(process)

    async def test_a_taken_name_starts_nothing(self) -> None:
        ran: list[str] = []

        async def child() -> None:
            ran.append("child")

        holder = spawn(idle, name="worker")
        before = processes()
        with pytest.raises(NameTakenError) as caught:
            spawn(child, name="worker")
        after = processes()
        await end(holder)

        assert caught.value.process is holder
        assert after == before
        assert ran == []

    async def test_trap_exit_holds_before_the_first_run(self) -> None:
        async def child(parent: Process) -> None:
            message = await receive(Exited)
            send(parent, (message.process, message.reason))

        process = spawn(child, self_(), trap_exit=True)
        fastask.exit(process, "early")

        assert await receive() == (self_(), "early")
        await end(process)

    async def test_spawn_link_takes_the_same_options(self) -> None:
        process = spawn_link(idle, name="worker", trap_exit=True, grace=1.0)
        info = process_info(process)

        assert info is not None
        assert (info.registered_name, info.trap_exit) == ("worker", True)
        await end(process)

    async def test_spawn_monitor_takes_the_same_options(self) -> None:
        process, _ = spawn_monitor(idle, name="worker", trap_exit=True, grace=1.0)
        info = process_info(process)

        assert info is not None
        assert (info.registered_name, info.trap_exit) == ("worker", True)
        await end(process)


class TestEnds:
    async def test_a_return_is_normal_whatever_is_returned(self) -> None:
        """PROC 1."""

        async def child() -> str:
            return "a value"

        process, ref = spawn_monitor(child)

        assert await reason_of(process, ref) is NORMAL

    async def test_a_return_leaves_linked_peers_alone(self) -> None:
        """PROC 1."""

        async def peer(parent: Process) -> None:
            child = spawn_link(nothing)
            ref = monitor(child)
            await receive(ref)
            send(parent, "lives on")

        process, ref = spawn_monitor(peer, self_())

        assert await receive(str) == "lives on"
        assert await reason_of(process, ref) is NORMAL

    async def test_an_uncaught_exception_is_the_reason_itself(self) -> None:
        error = ValueError("boom")
        process, ref = spawn_monitor(crash, error)

        assert await reason_of(process, ref) is error

    async def test_the_reason_keeps_the_traceback(self) -> None:
        process, ref = spawn_monitor(crash, ValueError("boom"))
        reason = await reason_of(process, ref)

        assert isinstance(reason, ValueError)
        traceback = reason.__traceback__
        assert traceback is not None
        while traceback.tb_next is not None:
            traceback = traceback.tb_next
        assert traceback.tb_frame.f_code is crash.__code__

    @pytest.mark.parametrize(
        "reason",
        [
            "boom",
            ("a", "tuple"),
            (SHUTDOWN, 1),
            SHUTDOWN,
            NORMAL,
            None,
            0,
            False,
            {"a": ["mutable", "term"]},
        ],
        ids=repr,
    )
    async def test_exit_ends_with_exactly_its_reason(self, reason: object) -> None:
        """PROC 4."""
        process, ref = spawn_monitor(leave, reason)

        assert await reason_of(process, ref) is reason

    async def test_exit_with_an_exception_has_the_exception_as_reason(self) -> None:
        error = ValueError("boom")
        process, ref = spawn_monitor(leave, error)

        assert await reason_of(process, ref) is error

    async def test_exit_can_be_caught_inside_the_process(self) -> None:
        async def child(parent: Process) -> None:
            try:
                raise Exit("boom")
            except Exception as caught:
                send(parent, caught)

        process, ref = spawn_monitor(child, self_())

        assert (await receive(Exit)).reason == "boom"
        assert await reason_of(process, ref) is NORMAL

    async def test_exit_runs_the_finally_blocks(self) -> None:
        async def child(parent: Process) -> None:
            try:
                raise Exit("boom")
            finally:
                send(parent, "finally")

        process, ref = spawn_monitor(child, self_())

        assert await receive(str) == "finally"
        assert await reason_of(process, ref) == "boom"

    async def test_nothing_runs_after_exit(self) -> None:
        ran: list[str] = []

        async def child() -> None:
            await leave("boom")
            ran.append("after")

        process, ref = spawn_monitor(child)
        await receive(ref)

        assert ran == []

    async def test_a_process_killed_before_its_first_run_never_runs(self) -> None:
        ran: list[str] = []

        async def child() -> None:
            ran.append("child")

        process, ref = spawn_monitor(child)
        fastask.exit(process, KILL)
        await receive(ref)

        assert ran == []

    @pytest.mark.parametrize("reason", [KILL, SHUTDOWN])
    async def test_an_end_before_the_first_run_warns_of_nothing(
        self, reason: object
    ) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            process, ref = spawn_monitor(nothing)
            fastask.exit(process, reason)
            await receive(ref)
            del process
            gc.collect()

        assert [str(warning.message) for warning in caught] == []


class TestSpawnLink:
    async def test_a_child_that_crashes_at_once_takes_its_parent_along(self) -> None:
        """PROC 31."""
        error = ValueError("boom")

        async def parent() -> None:
            spawn_link(crash, error)
            await idle()

        for _ in range(200):
            process, ref = spawn_monitor(parent)
            assert await reason_of(process, ref) is error

    async def test_a_trapping_parent_learns_the_real_reason(self) -> None:
        trap_exit(True)
        child = spawn_link(leave, "boom")
        message = await receive(Exited)

        assert (message.process, message.reason) == (child, "boom")

    async def test_both_sides_see_the_link_at_once(self) -> None:
        child = spawn_link(idle)
        mine, its = process_info(self_()), process_info(child)

        assert mine is not None
        assert its is not None
        assert (mine.links, its.links) == ([child], [self_()])
        await end(child)


class TestSpawnMonitor:
    async def test_never_misses_the_real_reason(self) -> None:
        """PROC 42."""
        for number in range(200):
            process, ref = spawn_monitor(leave, number)
            assert await reason_of(process, ref) == number

    async def test_gives_the_process_and_the_ref_without_a_link(self) -> None:
        """PROC 43."""
        process, ref = spawn_monitor(idle)
        info = process_info(process)

        assert isinstance(ref, fastask.Ref)
        assert info is not None
        assert (info.links, info.monitored_by) == ([], [(ref, self_())])
        await end(process)
        fastask.demonitor(ref, flush=True)

    async def test_monitored_and_linked_gives_both_messages(self) -> None:
        """PROC 43."""
        trap_exit(True)
        process, ref = spawn_monitor(leave, "boom")
        fastask.link(process)
        first, second = await receive(), await receive()

        assert (type(first), type(second)) == (Exited, Down)
        assert (first.reason, second.reason) == ("boom", "boom")


class TestHandle:
    async def test_self_is_the_handle_that_spawn_returned(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, self_())

        process = spawn(child, self_())

        assert await receive() is process
        await end(process)

    async def test_self_is_the_same_after_a_wait(self) -> None:
        before = self_()
        await end(spawn(idle))

        assert self_() is before

    async def test_ids_and_hashes_tell_processes_apart(self) -> None:
        children = [spawn(nothing) for _ in range(100)]

        assert len({child.id for child in children}) == 100
        assert len(set(children)) == 100
        await end(*children)

    async def test_ids_are_not_used_again(self) -> None:
        first, ref = spawn_monitor(nothing)
        await receive(ref)
        number = first.id
        del first
        gc.collect()
        second, ref = spawn_monitor(nothing)
        await receive(ref)

        assert second.id != number

    async def test_alive_is_true_until_the_end(self) -> None:
        process = spawn(idle)
        before = process.alive
        await end(process)

        assert (before, process.alive) == (True, False)

    async def test_label_is_none_until_it_is_set(self) -> None:
        async def child(parent: Process) -> None:
            set_label(("job", 7))
            send(parent, "ready")
            await idle()

        process = spawn(child, self_())
        before = process.label
        await receive()

        assert (before, process.label) == (None, ("job", 7))
        await end(process)

    async def test_a_process_that_returned_keeps_no_stack(self) -> None:
        class Local:
            pass

        async def child(parent: Process) -> None:
            local = Local()
            send(parent, weakref.ref(local))

        process, ref = spawn_monitor(child, self_())
        local = await receive(weakref.ref)
        await receive(ref)
        gc.collect()

        assert local() is None
        assert not process.alive

    async def test_a_process_that_crashed_keeps_no_stack(self) -> None:
        """The exception may live on, the frames it came through may not."""

        class Local:
            pass

        async def child(parent: Process) -> None:
            local = Local()
            send(parent, weakref.ref(local))
            raise ValueError("boom")

        process, ref = spawn_monitor(child, self_())
        local = await receive(weakref.ref)
        await receive(ref)
        await asyncio.sleep(0)
        gc.collect()

        assert local() is None
        assert not process.alive

    async def test_a_process_ended_by_a_signal_keeps_no_stack(self) -> None:
        class Local:
            pass

        async def child(parent: Process) -> None:
            local = Local()
            send(parent, weakref.ref(local))
            await idle()

        process, ref = spawn_monitor(child, self_())
        local = await receive(weakref.ref)
        fastask.exit(process, "stop")
        await receive(ref)
        gc.collect()

        assert local() is None
        assert not process.alive

    async def test_an_ended_process_without_a_handle_is_freed(self) -> None:
        process, ref = spawn_monitor(nothing)
        reference = weakref.ref(process)
        await receive(ref)
        del process
        await asyncio.sleep(0)
        gc.collect()

        assert reference() is None


class TestMakeRef:
    async def test_each_is_new(self) -> None:
        refs = [make_ref() for _ in range(1000)]

        assert len(set(refs)) == 1000

    async def test_equals_only_itself(self) -> None:
        ref = same = make_ref()

        assert ref == same
        assert ref != make_ref()


class TestDepth:
    async def test_a_long_line_of_generations_needs_no_recursion(self) -> None:
        depth = sys.getrecursionlimit() * 3

        async def generation(parent: Process, left: int) -> None:
            if left:
                spawn(generation, parent, left - 1)
            else:
                send(parent, "the last")

        spawn(generation, self_(), depth)
        message = await receive()
        while len(processes()) > 1:
            await asyncio.sleep(0)

        assert message == "the last"
