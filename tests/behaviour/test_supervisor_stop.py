"""How a supervisor stops: its children in reverse order, whatever ends it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    CallError,
    ChildSpec,
    Exit,
    Exited,
    GenServer,
    NoProcessError,
    Process,
    Supervisor,
    child_spec,
    monitor,
    process_info,
    processes,
    receive,
    receive_nowait,
    self_,
    send,
    spawn,
    spawn_monitor,
    trap_exit,
    whereis,
)

REASONS = [NORMAL, SHUTDOWN, (SHUTDOWN, 1), "custom", KILL]


class Worker(GenServer):
    """Tells its teller when it is told to stop, and when it has done so."""

    def init(
        self, teller: Process[Any], name: str, gate: asyncio.Event | None = None
    ) -> None:
        trap_exit(True)
        self.teller, self.name, self.gate = teller, name, gate

    async def terminate(self, reason: Any) -> None:
        send(self.teller, ("stop", self.name, reason))
        if self.gate is not None:
            await self.gate.wait()
            send(self.teller, ("stopped", self.name))


def worker(name: str, gate: asyncio.Event | None = None, **options: Any) -> ChildSpec:
    return Worker.child_spec(self_(), name, gate, id=name, name=name, **options)


def told() -> list[Any]:
    """What workers have told the calling process."""
    found = []
    while (message := receive_nowait(tuple, default=None)) is not None:
        found.append(message)
    return found


def left_behind() -> tuple[list[Any], list[Process[Any]], list[Any]]:
    """Messages, links and monitors of the calling process."""
    info = process_info(self_())
    assert info is not None
    return list(info.messages), list(info.links), list(info.monitors)


def at(name: str) -> Process[Any]:
    """The process that has the name."""
    process = whereis(name)
    assert process is not None
    return process


def alone() -> bool:
    return processes() == [self_()]


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def open_once(gate: asyncio.Event, supervisor: Process[Any]) -> None:
    """Open a gate when a supervisor waits for a child that waits for the gate."""
    while not (info := process_info(supervisor)) or not info.monitors:
        await fastask.sleep(0)
    gate.set()


class TestOrder:
    async def test_children_are_stopped_last_first(self) -> None:
        async with Supervisor([worker(name) for name in "abc"]):
            pass

        assert told() == [("stop", name, SHUTDOWN) for name in "cba"]
        assert alone()

    async def test_each_when_the_one_before_has_ended(self) -> None:
        gate = asyncio.Event()
        async with Supervisor([worker("a"), worker("b", gate)]) as supervisor:
            assert supervisor.process is not None
            spawn(open_once, gate, supervisor.process)

        assert told() == [
            ("stop", "b", SHUTDOWN),
            ("stopped", "b"),
            ("stop", "a", SHUTDOWN),
        ]

    async def test_children_that_have_ended_are_passed_over(self) -> None:
        children = [worker("a"), worker("b", restart="transient"), worker("c")]
        async with Supervisor(children) as supervisor:
            await supervisor.terminate_child("c")
            await GenServer.stop("b")
            told()

        assert told() == [("stop", "a", SHUTDOWN)]

    async def test_nested_ones_stop_theirs_in_turn(self) -> None:
        inner = Supervisor([worker("b"), worker("c")])
        async with Supervisor([worker("a"), inner, worker("d")]):
            pass

        assert told() == [("stop", name, SHUTDOWN) for name in "dcba"]
        assert inner.process is not None
        assert not inner.process.alive

    async def test_plain_functions_are_stopped(self) -> None:
        async def run(parent: Process[Any]) -> None:
            try:
                await idle()
            finally:
                send(parent, ("finally",))

        async with Supervisor([(run, self_())]):
            await fastask.sleep(0)

        assert told() == [("finally",)]


class TestShutdownTime:
    async def test_who_takes_longer_is_killed_and_the_others_are_not(self) -> None:
        children = [
            worker("a"),
            worker("slow", asyncio.Event(), shutdown=0.02),
            worker("c"),
        ]
        async with Supervisor(children):
            ref = monitor(at("slow"))
            begin = time.monotonic()

        assert 0.015 < time.monotonic() - begin < 5
        assert (await receive(ref)).reason == KILLED
        assert told() == [("stop", name, SHUTDOWN) for name in ("c", "slow", "a")]

    async def test_of_zero_kills_who_does_not_end_at_once(self) -> None:
        async with Supervisor([worker("slow", asyncio.Event(), shutdown=0)]):
            ref = monitor(at("slow"))

        assert (await receive(ref)).reason == KILLED
        told()

    async def test_none_waits(self) -> None:
        gate = asyncio.Event()
        async with Supervisor([worker("a", gate, shutdown=None)]) as supervisor:
            assert supervisor.process is not None
            spawn(open_once, gate, supervisor.process)
            ref = monitor(at("a"))

        assert (await receive(ref)).reason == SHUTDOWN
        assert told() == [("stop", "a", SHUTDOWN), ("stopped", "a")]

    async def test_brutal_kill_does_not_call_terminate(self) -> None:
        children = [worker("a"), worker("b", shutdown=BRUTAL_KILL)]
        async with Supervisor(children):
            ref = monitor(at("b"))

        assert (await receive(ref)).reason == KILLED
        assert told() == [("stop", "a", SHUTDOWN)]

    async def test_counts_for_terminate_child(self) -> None:
        slow = worker("slow", asyncio.Event(), shutdown=0.01)
        async with Supervisor([slow]) as supervisor:
            ref = monitor(at("slow"))
            await supervisor.terminate_child("slow")

            assert (await receive(ref)).reason == KILLED
            told()


class TestBlock:
    """`async with` unlinks before it stops."""

    @pytest.mark.parametrize("trap", [True, False])
    async def test_the_caller_finds_nothing(self, trap: bool) -> None:
        trap_exit(trap)
        async with Supervisor([worker("a")]) as supervisor:
            process = supervisor.process
            assert process is not None
            assert left_behind()[1] == [process]
        told()

        assert not process.alive
        assert left_behind() == ([], [], [])

    async def test_that_raises_stops_it(self) -> None:
        trap_exit(True)
        with pytest.raises(ValueError, match="boom"):
            async with Supervisor([worker("a")]):
                raise ValueError("boom")

        assert alone()
        assert told() == [("stop", "a", SHUTDOWN)]
        assert left_behind() == ([], [], [])

    @pytest.mark.parametrize("reason", ["over", SHUTDOWN])
    async def test_that_an_exit_signal_ends_stops_it(self, reason: Any) -> None:
        gate = asyncio.Event()
        spec = worker("a", gate)

        async def run() -> None:
            async with Supervisor([spec]):
                send(spec.args[0], ("running",))
                await idle()

        runner, ref = spawn_monitor(run)
        assert await receive(tuple) == ("running",)
        fastask.exit(runner, reason)
        assert await receive(tuple) == ("stop", "a", SHUTDOWN)
        assert runner.alive  # waits for its children
        gate.set()

        assert (await receive(ref)).reason == reason
        assert told() == [("stopped", "a")]
        assert alone()

    async def test_that_is_cancelled_stops_it(self) -> None:
        trap_exit(True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as scope, Supervisor([worker("a")]):
                scope.reschedule(0)
                await idle()

        assert alone()
        assert told() == [("stop", "a", SHUTDOWN)]
        assert left_behind() == ([], [], [])

    async def test_that_is_cancelled_while_it_stops_waits(self) -> None:
        gate = asyncio.Event()

        async def cancel(scope: asyncio.Timeout, process: Process[Any]) -> None:
            while not (info := process_info(process)) or not info.monitors:
                await fastask.sleep(0)
            scope.reschedule(0)
            while not scope.expired():
                await asyncio.sleep(0)
            gate.set()

        with pytest.raises(TimeoutError):
            async with (
                asyncio.timeout(None) as scope,
                Supervisor([worker("a", gate)]) as supervisor,
            ):
                assert supervisor.process is not None
                _, ref = spawn_monitor(cancel, scope, supervisor.process)
        await receive(ref)

        assert alone()
        assert told() == [("stop", "a", SHUTDOWN), ("stopped", "a")]

    async def test_whose_supervisor_has_ended_ends_well(self) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            await supervisor.stop()

        assert told() == [("stop", "a", SHUTDOWN)]
        assert left_behind() == ([], [], [])


class TestStop:
    @pytest.mark.parametrize("reason", REASONS[:-1])
    async def test_ends_with_the_reason(self, reason: Any) -> None:
        trap_exit(True)
        supervisor = await Supervisor.start_link([worker("a")])
        ref = monitor(supervisor.process)
        await supervisor.stop(reason)

        assert (await receive(ref)).reason == reason
        assert await receive(Exited) == Exited(supervisor.process, reason)
        assert told() == [("stop", "a", SHUTDOWN)]

    async def test_is_normal_unless_told(self) -> None:
        supervisor = await Supervisor.start_link([])
        ref = monitor(supervisor.process)
        await supervisor.stop()

        assert (await receive(ref)).reason == NORMAL

    async def test_by_name(self) -> None:
        await Supervisor.start_link([worker("a")], name="top")
        await Supervisor.ref("top").stop()

        assert alone()
        told()

    async def test_of_a_dead_one(self) -> None:
        supervisor = await Supervisor.start_link([])
        await supervisor.stop()

        with pytest.raises(NoProcessError, match="has ended"):
            await supervisor.stop()

    async def test_of_one_that_is_not_started(self) -> None:
        with pytest.raises(NoProcessError):
            await Supervisor([]).stop()

    async def test_out_of_time_does_not_kill(self) -> None:
        gate = asyncio.Event()
        supervisor = await Supervisor.start_link([worker("a", gate)])
        ref = monitor(supervisor.process)
        with pytest.raises(fastask.CallTimeoutError):
            await supervisor.stop(timeout=0.01)
        gate.set()

        assert (await receive(ref)).reason == NORMAL
        assert told() == [("stop", "a", SHUTDOWN), ("stopped", "a")]

    async def test_of_one_that_is_killed_meanwhile(self) -> None:
        trap_exit(True)
        supervisor = await Supervisor.start_link([worker("a", asyncio.Event())])
        process, child = supervisor.process, at("a")
        stopping = fastask.async_nolink(supervisor.stop)
        assert await receive(tuple) == ("stop", "a", SHUTDOWN)
        ref = monitor(child)
        fastask.exit(process, KILL)
        fastask.exit(child, KILL)

        with pytest.raises(CallError) as caught:
            await stopping
        assert caught.value.reason == KILLED
        assert (await receive(ref)).reason == KILLED
        assert await receive(Exited) == Exited(process, KILLED)


class TestParent:
    @pytest.mark.usefixtures("crashes")
    @pytest.mark.parametrize("reason", REASONS)
    async def test_its_end_ends_all(self, reason: Any) -> None:
        """For the same reason, also NORMAL."""
        spec = worker("a")

        async def start() -> None:
            supervisor = await Supervisor.start_link([spec])
            send(spec.args[0], ("running", supervisor.process))
            if (reason := await receive()) is not NORMAL:
                raise Exit(reason)

        parent = spawn(start)
        _, supervisor = await receive(tuple)
        ref = monitor(supervisor)
        if reason is KILL:
            fastask.exit(parent, KILL)
        else:
            send(parent, reason)

        assert (await receive(ref)).reason == (KILLED if reason is KILL else reason)
        assert told() == [("stop", "a", SHUTDOWN)]
        assert alone()

    async def test_its_exit_signal_stops_it_in_order(self) -> None:
        trap_exit(True)
        supervisor = await Supervisor.start_link([worker("a"), worker("b")])
        fastask.exit(supervisor.process, "over")

        assert await receive(Exited) == Exited(supervisor.process, "over")
        assert told() == [("stop", "b", SHUTDOWN), ("stop", "a", SHUTDOWN)]

    async def test_a_kill_kills_the_children_that_do_not_trap(self) -> None:
        trap_exit(True)
        children = [worker("a"), child_spec(idle, restart="permanent", id="b")]
        supervisor = await Supervisor.start_link(children)
        refs = [monitor(info.process) for info in supervisor.which_children()]
        fastask.exit(supervisor.process, KILL)

        assert [(await receive(ref)).reason for ref in refs] == [KILLED, KILLED]
        assert await receive(Exited) == Exited(supervisor.process, KILLED)
        assert told() == [("stop", "a", KILLED)]


class TestStranger:
    @pytest.mark.parametrize("reason", REASONS[:-1])
    async def test_an_exit_signal_is_ignored(self, reason: Any) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            child = at("a")

            async def signal(process: Process[Any] | None) -> None:
                fastask.exit(process, reason)

            _, ref = spawn_monitor(signal, supervisor.process)
            await receive(ref)
            await supervisor.start_child(worker("b"))

            assert at("a") is child
            assert told() == []

    async def test_the_end_of_one_that_is_linked_is_ignored(self) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            child = at("a")

            async def crash(process: Process[Any]) -> None:
                fastask.link(process)
                raise Exit("crash")

            assert supervisor.process is not None
            _, ref = spawn_monitor(crash, supervisor.process)
            await receive(ref)
            await supervisor.start_child(worker("b"))

            assert at("a") is child

    async def test_a_message_is_logged_and_survived(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            assert supervisor.process is not None
            send(supervisor.process, "what is this")
            await supervisor.start_child(worker("b"))

            assert supervisor.count_children().active == 2
        [record] = [r for r in caplog.records if r.name == "fastask"]
        assert record.levelno == logging.ERROR
        assert "what is this" in record.getMessage()
