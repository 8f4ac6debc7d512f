"""`start_child` and `terminate_child`: children that the caller is not tied to."""

from __future__ import annotations

from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    NORMAL,
    SHUTDOWN,
    ChildCount,
    ChildNotFoundError,
    Exited,
    Failed,
    MaxChildrenError,
    Process,
    TaskSupervisor,
    monitor,
    process_info,
    receive,
    receive_nowait,
    self_,
    send,
    spawn_monitor,
    trap_exit,
    unlink,
    yield_,
)


async def forever() -> None:
    await receive("never".__eq__)


async def tell(process: Process[Any], word: str) -> None:
    send(process, word)


async def tell_and_crash(process: Process[Any]) -> None:
    send(process, self_())
    raise ValueError("boom")


async def tell_and_wait(process: Process[Any]) -> None:
    send(process, self_())
    await forever()


async def ended(process: Process[Any]) -> Any:
    """Wait for the end of a process."""
    return (await receive(monitor(process))).reason


class TestStartChild:
    async def test_returns_a_child_that_is_not_linked_to_the_caller(self) -> None:
        async with TaskSupervisor() as tasks:
            process = tasks.start_child(forever)
            info = process_info(process)

            assert info is not None
            assert info.links == [tasks.process]
            assert tasks.children() == [process]

    async def test_runs_the_function_and_tells_the_caller_nothing(self) -> None:
        async with TaskSupervisor() as tasks:
            process = tasks.start_child(tell, self_(), "done")
            assert await receive(str) == "done"
            while process.alive:
                await fastask.sleep(0)

        assert receive_nowait(default=None) is None

    async def test_tells_ancestors_and_callers(self) -> None:
        async with TaskSupervisor() as tasks:
            process = tasks.start_child(forever)
            info = process_info(process)

            assert info is not None
            assert info.ancestors == [tasks.process, self_()]
            assert info.callers == [self_()]

    async def test_takes_a_coroutine_object(self) -> None:
        async with TaskSupervisor() as tasks:
            tasks.start_child(tell(self_(), "done"))

            assert await receive() == "done"

    async def test_a_crash_is_logged_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with TaskSupervisor() as tasks:
            process = tasks.start_child(tell_and_crash, self_())
            await receive(Process)
            while process.alive:  # a monitor would observe it
                await fastask.sleep(0)

        assert [r.levelname for r in caplog.records] == ["ERROR"]
        assert "boom" in caplog.records[0].getMessage()


class TestTemporary:
    @pytest.mark.usefixtures("crashes")
    async def test_crashes_harm_nobody(self) -> None:
        async with TaskSupervisor() as tasks:
            for _ in range(20):
                tasks.start_child(tell_and_crash, self_())
            for _ in range(20):
                await receive(Process)
            await fastask.sleep(0)

            assert tasks.process is not None
            assert tasks.process.alive
            assert tasks.count_children() == ChildCount(0, 0, 0, 0)


class TestTransient:
    @pytest.mark.usefixtures("crashes")
    async def test_that_always_crashes_runs_four_times(self) -> None:
        trap_exit(True)
        tasks = await TaskSupervisor.start_link()
        other = tasks.start_child(forever)
        tasks.start_child(tell_and_crash, self_(), restart="transient")
        runs = [await receive(Process) for _ in range(4)]
        exited = await receive(Exited)

        assert exited.reason == SHUTDOWN
        assert len(set(runs)) == 4
        assert not other.alive
        assert receive_nowait(default=None) is None

    async def test_that_returns_runs_once(self) -> None:
        async with TaskSupervisor() as tasks:
            process = tasks.start_child(tell, self_(), "done", restart="transient")
            await ended(process)
            await fastask.sleep(0)

            assert await receive() == "done"
            assert receive_nowait(default=None) is None
            assert tasks.count_children().specs == 0

    @pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, (SHUTDOWN, "x")])
    async def test_that_ends_as_expected_runs_once(self, reason: Any) -> None:
        async def leave() -> None:
            raise fastask.Exit(reason)

        async with TaskSupervisor() as tasks:
            await ended(tasks.start_child(leave, restart="transient"))
            await fastask.sleep(0)

            assert tasks.count_children().specs == 0

    @pytest.mark.usefixtures("crashes")
    async def test_runs_again_with_the_same_arguments_and_callers(self) -> None:
        async with TaskSupervisor() as tasks:
            first = tasks.start_child(tell_and_wait, self_(), restart="transient")
            assert await receive(Process) is first
            fastask.exit(first, "crash")
            second = await receive(Process)
            info = process_info(second)

            assert second is not first
            assert tasks.children() == [second]
            assert info is not None
            assert info.callers == [self_()]


class TestPermanent:
    async def test_that_returns_is_restarted_until_that_is_too_often(self) -> None:
        trap_exit(True)
        tasks = await TaskSupervisor.start_link()
        tasks.start_child(tell, self_(), "run", restart="permanent")
        exited = await receive(Exited)

        assert exited.reason == SHUTDOWN
        assert [await receive() for _ in range(4)] == ["run"] * 4
        assert receive_nowait(default=None) is None

    async def test_keeps_its_place_while_it_is_restarted(self) -> None:
        async with TaskSupervisor(max_children=1) as tasks:
            process = tasks.start_child(tell_and_wait, self_(), restart="permanent")
            await receive(Process)
            fastask.exit(process, KILL)
            with pytest.raises(MaxChildrenError):
                tasks.start_child(forever)  # before the supervisor had its turn
            again = await receive(Process)

            assert tasks.children() == [again]
            assert tasks.count_children() == ChildCount(1, 1, 0, 1)


class TestTerminateChild:
    async def test_stops_it_with_shutdown_and_forgets_it(self) -> None:
        async with TaskSupervisor() as tasks:
            process, ref = (p := tasks.start_child(forever)), monitor(p)
            await tasks.terminate_child(process)

            assert (await receive(ref)).reason == SHUTDOWN
            assert tasks.children() == []
            with pytest.raises(ChildNotFoundError):
                await tasks.terminate_child(process)

    async def test_does_not_restart_it(self) -> None:
        async with TaskSupervisor() as tasks:
            process = tasks.start_child(tell_and_wait, self_(), restart="permanent")
            await receive(Process)
            await tasks.terminate_child(process)
            await fastask.sleep(0)

            assert receive_nowait(default=None) is None
            assert tasks.count_children().specs == 0

    async def test_kills_it_after_its_time(self) -> None:
        async def stubborn() -> None:
            trap_exit(True)
            while True:
                await receive()

        async with TaskSupervisor() as tasks:
            process = tasks.start_child(stubborn, shutdown=0.01)
            await fastask.sleep(0)
            await tasks.terminate_child(process)

            assert not process.alive

    async def test_is_seen_by_the_owner_of_a_task(self) -> None:
        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(forever)
            assert task.process is not None
            await tasks.terminate_child(task.process)

            assert await yield_(task, 0) == Failed(SHUTDOWN)

    async def test_ends_the_owner_of_a_linked_task(self) -> None:
        test = self_()
        async with TaskSupervisor() as tasks:

            async def owner() -> None:
                send(test, tasks.async_(forever).process)
                await forever()

            _, ref = spawn_monitor(owner)
            await tasks.terminate_child(await receive(Process))

            assert (await receive(ref)).reason == SHUTDOWN

    @pytest.mark.parametrize("what", [None, "name", 1])
    async def test_refuses_what_is_no_child(self, what: Any) -> None:
        async with TaskSupervisor() as tasks:
            with pytest.raises(ChildNotFoundError):
                await tasks.terminate_child(what)
            with pytest.raises(ChildNotFoundError):
                await tasks.terminate_child(self_())


class TestSupervision:
    async def test_is_not_ended_by_unlink(self) -> None:
        supervisor: list[Process[Any]] = []

        async def leave() -> None:
            unlink(supervisor[0])
            send(supervisor_test, "unlinked")
            await forever()

        supervisor_test = self_()
        async with TaskSupervisor() as tasks:
            assert tasks.process is not None
            supervisor.append(tasks.process)
            process = tasks.start_child(leave)
            await receive("unlinked".__eq__)

            assert tasks.children() == [process]
        assert not process.alive

    async def test_of_ten_thousand_children_leaves_nothing(self) -> None:
        async with TaskSupervisor() as tasks:
            processes = [tasks.start_child(forever) for _ in range(10_000)]
            assert tasks.count_children().active == 10_000

        assert not any(process.alive for process in processes)

    async def test_logs_restarts_and_giving_up(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        trap_exit(True)
        tasks = await TaskSupervisor.start_link(max_restarts=1)
        tasks.start_child(tell_and_crash, self_(), restart="transient")
        await receive(Exited)
        for _ in range(2):
            await receive(Process)
        told = [r for r in caplog.records if "supervisor" in r.getMessage()]

        assert [r.levelname for r in told] == ["WARNING", "ERROR"]
        assert all(getattr(r, "child_id", None) == "tell_and_crash" for r in told)
        assert [getattr(r, "restart_count", None) for r in told] == [1, 2]

    async def test_survives_a_stranger_and_an_unknown_message(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with TaskSupervisor() as tasks:
            assert tasks.process is not None
            send(tasks.process, "what?")
            fastask.exit(fastask.spawn(forever), "crash")
            assert await tasks.async_(len, "ab") == 2

            assert tasks.process.alive
        assert "unexpected message: 'what?'" in caplog.text
