"""Tasks under a `TaskSupervisor`: who is tied to whom, and who dies with whom."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    ChildCount,
    ChildInfo,
    Down,
    Exit,
    Exited,
    Failed,
    MaxChildrenError,
    NoProcessError,
    Ok,
    Process,
    Reply,
    Supervisor,
    Task,
    TaskSupervisor,
    UnknownNameError,
    monitor,
    process_info,
    receive,
    receive_nowait,
    self_,
    send,
    spawn_monitor,
    trap_exit,
    whereis,
    yield_,
)

Run = Callable[..., Any]


async def same(x: int) -> int:
    return x


async def crash(reason: Any = "boom") -> None:
    raise ValueError(reason)


async def forever() -> None:
    await receive("never".__eq__)


def process_of(task: Task[Any]) -> Process[Any]:
    assert task.process is not None
    return task.process


async def ended(process: Process[Any]) -> Any:
    """Wait for the end of a process."""
    return (await receive(monitor(process))).reason


def links_of(process: Process[Any]) -> list[Process[Any]]:
    info = process_info(process)
    assert info is not None
    return info.links


class TestStart:
    async def test_under_a_supervisor_registers_the_name(self) -> None:
        async with Supervisor([TaskSupervisor(name="tasks")]):
            process = whereis("tasks")

            assert process is not None
            assert process.alive

    async def test_begins_without_children(self) -> None:
        async with TaskSupervisor() as tasks:
            assert tasks.children() == []
            assert tasks.which_children() == []
            assert tasks.count_children() == ChildCount(0, 0, 0, 0)

    async def test_two_are_told_apart_by_their_names(self) -> None:
        children = [TaskSupervisor(name="one"), TaskSupervisor.child_spec(name="two")]
        async with Supervisor(children) as supervisor:
            ids = [info.id for info in supervisor.which_children()]

        assert ids == ["two", "one"]

    def test_two_without_names_clash(self) -> None:
        with pytest.raises(ValueError, match="id must be unique"):
            Supervisor([TaskSupervisor(), TaskSupervisor()])

    async def test_a_taken_name_is_an_error(self) -> None:
        async with TaskSupervisor(name="tasks") as first:
            with pytest.raises(fastask.AlreadyStartedError) as caught:
                await TaskSupervisor.start_link(name="tasks")

            assert caught.value.process is first.process


class TestAsync:
    async def test_gives_the_value(self) -> None:
        async with TaskSupervisor() as tasks:
            assert await tasks.async_(same, 42) == 42

    async def test_runs_a_plain_function_in_a_thread(self) -> None:
        async with TaskSupervisor() as tasks:
            assert await tasks.async_(len, "four") == 4

    async def test_runs_a_coroutine_object(self) -> None:
        async with TaskSupervisor() as tasks:
            assert await tasks.async_(same(1)) == 1

    async def test_links_the_task_to_caller_and_supervisor(self) -> None:
        async with TaskSupervisor() as tasks:
            task = tasks.async_(same, 1)

            assert set(links_of(process_of(task))) == {self_(), tasks.process}
            await task

    async def test_tells_ancestors_and_callers(self) -> None:
        async def lines() -> tuple[list[Process[Any]], list[Process[Any]]]:
            info = process_info(self_())
            assert info is not None
            return info.ancestors, info.callers

        async def nested() -> Any:
            return self_(), await tasks.async_(lines)

        async with TaskSupervisor() as tasks:
            ancestors, callers = await tasks.async_(lines)
            outer, (inner_ancestors, inner_callers) = await tasks.async_(nested)

            assert (ancestors[:2], callers) == ([tasks.process, self_()], [self_()])
            assert inner_ancestors[:2] == [tasks.process, self_()]
            assert inner_callers == [outer, self_()]

    async def test_a_crash_ends_a_caller_that_does_not_trap(self) -> None:
        async with TaskSupervisor() as tasks:

            async def owner() -> None:
                with contextlib.suppress(ValueError):
                    await tasks.async_(crash)
                await forever()

            process, ref = spawn_monitor(owner)
            down = await receive(ref)

            assert isinstance(down.reason, ValueError)
            assert not process.alive
            assert tasks.process is not None
            assert tasks.process.alive

    async def test_a_crash_raises_in_a_caller_that_traps(self) -> None:
        trap_exit(True)
        async with TaskSupervisor() as tasks:
            task = tasks.async_(crash)
            with pytest.raises(ValueError, match="boom"):
                await task
            exited = await receive(Exited)

        assert exited.process is task.process

    async def test_an_exit_raises_exit(self) -> None:
        async def leave() -> None:
            raise Exit("enough")

        trap_exit(True)
        async with TaskSupervisor() as tasks:
            with pytest.raises(Exit) as caught:
                await tasks.async_(leave)
            await receive(Exited)

        assert caught.value.reason == "enough"


class TestAsyncNolink:
    async def test_does_not_link_the_caller(self) -> None:
        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(same, 1)

            assert links_of(process_of(task)) == [tasks.process]
            await task

    async def test_sends_reply_and_down(self) -> None:
        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(same, 1)
            messages = [await receive(), await receive()]

        assert messages == [
            Reply(task.ref, 1),
            Down(task.ref, process_of(task), NORMAL),
        ]

    async def test_a_crash_is_a_down_only(self) -> None:
        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(crash)
            down = await receive()

        assert (down.ref, str(down.reason)) == (task.ref, "boom")
        assert receive_nowait(default=None) is None


@pytest.mark.parametrize(
    ("links", "reason", "survives"),
    [
        (True, "abnormal", False),
        (True, NORMAL, True),
        (False, "abnormal", True),
        (False, NORMAL, True),
    ],
)
class TestOwnerEnds:
    @pytest.mark.usefixtures("crashes")
    async def test_and_a_linked_task_ends_unless_that_was_normal(
        self, links: bool, reason: str, survives: bool
    ) -> None:
        test = self_()
        async with TaskSupervisor() as tasks:

            async def owner() -> None:
                start = tasks.async_ if links else tasks.async_nolink
                send(test, start(forever).process)
                raise Exit(reason)

            _, ref = spawn_monitor(owner)
            process = await receive(Process)
            await receive(ref)
            await fastask.sleep(0)

            assert process.alive is survives
            assert tasks.count_children().active == int(survives)


class TestSupervisorStops:
    async def test_and_a_task_gets_shutdown(self) -> None:
        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(forever)
            await fastask.sleep(0)

        assert await yield_(task, 0) == Failed(SHUTDOWN)

    async def test_and_a_task_that_traps_may_finish(self) -> None:
        async def finish() -> str:
            trap_exit(True)
            exited = await receive(Exited)
            return f"told {exited.reason}"

        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(finish)
            await fastask.sleep(0)

        assert await yield_(task, 0) == Ok("told shutdown")

    async def test_and_one_that_ignores_it_is_killed_after_its_time(self) -> None:
        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(stubborn, shutdown=0.01)
            await fastask.sleep(0)

        assert await yield_(task, 0) == Failed(KILLED)

    async def test_and_one_of_brutal_kill_is_killed(self) -> None:
        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(stubborn, shutdown=BRUTAL_KILL)
            await fastask.sleep(0)

        assert await yield_(task, 0) == Failed(KILLED)

    async def test_and_the_owner_of_a_linked_task_ends_too(self) -> None:
        tasks = await TaskSupervisor.start_link()

        async def owner() -> None:
            tasks.async_(forever)
            await forever()

        _, ref = spawn_monitor(owner)
        await fastask.sleep(0)
        await tasks.stop()

        assert (await receive(ref)).reason == SHUTDOWN

    async def test_side_by_side(self) -> None:
        async def slow() -> None:
            trap_exit(True)
            await receive(Exited)
            await fastask.sleep(0.05)

        async with TaskSupervisor() as tasks:
            for _ in range(20):
                tasks.start_child(slow)
            await fastask.sleep(0)
            begin = fastask.async_nolink(fastask.sleep, 0.5)

        assert await yield_(begin, 0) is None  # twenty times 0.05 s are more than that
        await fastask.shutdown(begin)

    async def test_killed_takes_its_tasks_along(self) -> None:
        trap_exit(True)
        tasks = await TaskSupervisor.start_link()
        task = tasks.async_nolink(forever)
        assert tasks.process is not None
        fastask.exit(tasks.process, KILL)

        assert await yield_(task) == Failed(KILLED)
        assert (await receive(Exited)).reason == KILLED


async def stubborn() -> None:
    trap_exit(True)
    while True:
        await receive()


class TestMaxChildren:
    async def test_reached_is_an_error_and_harms_nobody(self) -> None:
        async with TaskSupervisor(max_children=1) as tasks:
            first = tasks.async_nolink(forever)
            for start in (tasks.async_, tasks.async_nolink, tasks.start_child):
                with pytest.raises(MaxChildrenError, match="max_children is 1"):
                    start(same, 1)

            assert tasks.children() == [first.process]
            assert process_of(first).alive

    async def test_closes_a_coroutine_that_it_refuses(self) -> None:
        async with TaskSupervisor(max_children=0) as tasks:
            with pytest.raises(MaxChildrenError):
                tasks.async_(same(1))  # nothing warns that it was never awaited

    async def test_is_free_again_when_a_task_has_ended(self) -> None:
        async with TaskSupervisor(max_children=1) as tasks:
            assert [await tasks.async_(same, x) for x in range(3)] == [0, 1, 2]


class TestRef:
    async def test_finds_one_by_its_name(self) -> None:
        async with TaskSupervisor(name="tasks") as tasks:
            ref = TaskSupervisor.ref("tasks")

            assert await ref.async_(same, 1) == 1
            assert ref.process is tasks.process

    async def test_finds_the_new_one_after_a_restart(self) -> None:
        ref = TaskSupervisor.ref("tasks")
        async with Supervisor([TaskSupervisor(name="tasks")]):
            assert await ref.async_(same, 1) == 1
            old = ref.process
            assert old is not None
            fastask.exit(old, KILL)
            await ended(old)
            while whereis("tasks") is None or not ready(ref):
                await fastask.sleep(0)

            assert await ref.async_(same, 2) == 2
            assert ref.process is not old

    async def test_finds_who_has_the_name_now(self) -> None:
        ref = TaskSupervisor.ref("tasks")
        async with TaskSupervisor(name="tasks") as first, TaskSupervisor() as second:
            assert await ref.async_(same, 1) == 1
            fastask.unregister("tasks")
            fastask.register("tasks", second.process)
            task = ref.async_nolink(same, 2)

            assert task.process in second.children()
            assert first.children() == []
            await task

    async def test_of_a_name_that_nobody_has_raises(self) -> None:
        with pytest.raises(UnknownNameError, match="nobody has the name 'tasks'"):
            TaskSupervisor.ref("tasks").async_(same, 1)

    async def test_of_another_process_raises(self) -> None:
        fastask.register("me")

        with pytest.raises(TypeError, match="must be a TaskSupervisor"):
            TaskSupervisor.ref("me").async_(same, 1)
        fastask.unregister("me")


def ready(ref: TaskSupervisor) -> bool:
    with contextlib.suppress(LookupError):
        ref.children()
        return True
    return False


class TestGone:
    async def test_raises_no_process(self) -> None:
        async with TaskSupervisor() as tasks:
            pass

        for start in (tasks.async_, tasks.async_nolink, tasks.start_child):
            with pytest.raises(NoProcessError, match="must be running"):
                start(same, 1)
        with pytest.raises(NoProcessError):
            tasks.children()
        with pytest.raises(NoProcessError):
            await tasks.terminate_child(self_())

    async def test_closes_a_coroutine_that_it_refuses(self) -> None:
        async with TaskSupervisor() as tasks:
            pass

        with pytest.raises(NoProcessError):
            tasks.start_child(same(1))

    async def test_refuses_while_it_stops(self) -> None:
        async def start_late() -> Any:
            trap_exit(True)
            await receive(Exited)
            with pytest.raises(NoProcessError):
                tasks.async_(same, 1)
            return "refused"

        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(start_late)
            await fastask.sleep(0)

        assert await yield_(task, 0) == Ok("refused")


class TestListing:
    async def test_counts_and_lists_what_runs(self) -> None:
        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(forever)

            assert tasks.children() == [task.process]
            assert tasks.count_children() == ChildCount(1, 1, 0, 1)
            assert tasks.which_children() == [
                ChildInfo(None, task.process, "worker", ["forever"])
            ]
            state = await fastask.sys.get_state(tasks)
            assert state == tasks.which_children()


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"max_children": -1}, ValueError, "max_children must be an integer >= 0"),
            ({"max_children": "1"}, TypeError, "max_children must be an integer >= 0"),
            ({"max_restarts": -1}, ValueError, "max_restarts must be an integer >= 0"),
            ({"max_restarts": 1.5}, TypeError, "max_restarts must be an integer >= 0"),
            ({"max_seconds": 0}, ValueError, "max_seconds must be a number > 0"),
            ({"max_seconds": "5"}, TypeError, "max_seconds must be a number > 0"),
            ({"name": []}, TypeError, "name must be hashable"),
        ],
    )
    def test_of_an_option_is_one_clear_error(
        self, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            TaskSupervisor(**options)

    async def test_of_a_start_starts_nothing(self) -> None:
        async with TaskSupervisor() as tasks:
            bad: Any = tasks
            with pytest.raises(ValueError, match="shutdown must be a number"):
                tasks.async_(same, 1, shutdown=-1)
            with pytest.raises(TypeError, match="shutdown must be a number"):
                bad.async_(same, 1, shutdown="soon")
            with pytest.raises(TypeError, match="fn must be"):
                bad.async_(42)
            with pytest.raises(ValueError, match="restart must be one of"):
                bad.start_child(same, 1, restart="always")
            with pytest.raises(TypeError, match="where it may run again"):
                bad.start_child(same(1), restart="permanent")

            assert tasks.children() == []

    async def test_a_reference_cannot_be_started(self) -> None:
        with pytest.raises(TypeError, match="is a reference"):
            await TaskSupervisor.ref("tasks").__aenter__()
