"""`TaskRunner`: many tasks and one deadline, in any process that handles messages."""

from __future__ import annotations

from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Down,
    Failed,
    GenServer,
    MaxChildrenError,
    NotOwnerError,
    Ok,
    Process,
    Reply,
    TaskRunner,
    TaskSupervisor,
    UnknownNameError,
    call,
    process_info,
    receive,
    receive_nowait,
    self_,
    send,
    spawn_monitor,
)
from fastask.task_runner import RunnerFailed, RunnerOk


async def same(x: int) -> int:
    return x


async def crash() -> int:
    raise ValueError("boom")


async def forever() -> int:
    await receive("never".__eq__)
    return 0


def plain(x: int) -> int:
    return 10 * x


async def collected(runner: TaskRunner) -> list[Any]:
    """Handle every message of the run; anything else is an error."""
    events = []
    while not runner.done:
        event = runner.handle_message(await receive())
        assert event is not None
        events.append(event)
    return events


def left_behind() -> tuple[int, int, int]:
    info = process_info(self_())
    assert info is not None
    return info.message_queue_len, len(info.links), len(info.monitors)


class TestHandleMessage:
    async def test_tells_each_result_once_from_several_supervisors(self) -> None:
        async with TaskSupervisor(name="one"), TaskSupervisor() as two:
            specs = [
                ("one", same, 1),
                (two, same, 2),
                (TaskSupervisor.ref("one"), plain, 3),
            ]
            runner = TaskRunner.run(specs)
            events = await collected(runner)

        assert sorted((e.index, e.value) for e in events) == [(0, 1), (1, 2), (2, 30)]

    async def test_tells_the_task_and_the_place_of_its_specification(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, same, 1), (tasks, crash)])
            first, second = await collected(runner)

        assert (first, first.index) == (Ok(1), 0)
        assert second.index == 1
        assert first.task.process is not second.task.process

    async def test_tells_why_a_task_crashed_even_when_it_did_at_once(self) -> None:
        async with TaskSupervisor() as tasks:
            events = await collected(TaskRunner.run([(tasks, crash)]))

        match events:
            case [Failed(ValueError() as error)]:
                assert str(error) == "boom"
            case _:
                pytest.fail(repr(events))

    async def test_is_none_for_a_message_of_somebody_else(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, forever)])
            ref = fastask.make_ref()
            foreign = ["hello", (ref, 1), Reply(ref, 1), Down(ref, self_(), "x"), None]

            assert [runner.handle_message(message) for message in foreign] == [None] * 5
            assert not runner.done
            runner.stop()

    async def test_leaves_nothing_behind(self) -> None:
        async with TaskSupervisor() as tasks:
            before = left_behind()
            await collected(TaskRunner.run([(tasks, same, 1), (tasks, crash)]))

            assert left_behind() == before

    async def test_does_not_need_the_order_of_the_list(self) -> None:
        async def later(x: int) -> int:
            for _ in range(x):
                await fastask.sleep(0)
            return x

        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, later, x) for x in (30, 10, 20)])
            events = await collected(runner)

        assert events == [Ok(10), Ok(20), Ok(30)]

    async def test_raises_in_another_process(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, forever)])

            async def stranger() -> None:
                with pytest.raises(NotOwnerError, match="only the owner"):
                    runner.handle_message("x")
                with pytest.raises(NotOwnerError):
                    runner.stop()

            await fastask.async_(stranger)
            runner.stop()


class TestTimeout:
    async def test_is_one_for_all_and_ends_the_run(self) -> None:
        async with TaskSupervisor() as tasks:
            specs: list[Any] = [(tasks, same, 1), (tasks, forever), (tasks, forever)]
            runner = TaskRunner.run(specs, timeout=0.01)
            events = await collected(runner)

            assert events == [Ok(1), TaskRunner.TIMEOUT]
            assert runner.done
            assert len(tasks.children()) == 2  # they run on

    async def test_zero_is_at_once(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, forever)], timeout=0)

            assert await collected(runner) == [runner.TIMEOUT]
            runner.stop()

    async def test_late_results_never_arrive(self) -> None:
        async def late() -> str:
            await receive("go".__eq__)
            return "late"

        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, late)], timeout=0.001)
            await collected(runner)
            (process,) = tasks.children()
            send(process, "go")
            while process.alive:
                await fastask.sleep(0)

            assert receive_nowait(default=None) is None

    async def test_does_not_come_after_the_last_result(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, same, 1)], timeout=0.005)
            await collected(runner)
            await fastask.sleep(0.01)

        assert receive_nowait(default=None) is None

    async def test_that_has_come_is_taken_back_by_the_last_result(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, same, 1)], timeout=0.001)
            await fastask.sleep(0.005)  # both messages are in the mailbox
            assert runner.handle_message(await receive(Reply)) == Ok(1)

        assert runner.done
        assert left_behind() == (0, 0, 0)

    async def test_none_is_no_limit(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, same, 1)], timeout=None)

            assert await collected(runner) == [Ok(1)]

    async def test_negative_is_an_error_and_starts_nothing(self) -> None:
        async with TaskSupervisor() as tasks:
            with pytest.raises(ValueError, match="must be a number of seconds >= 0"):
                TaskRunner.run([(tasks, forever)], timeout=-1)

            assert tasks.children() == []


class TestDone:
    async def test_is_true_at_once_without_tasks(self) -> None:
        runner = TaskRunner.run([])

        assert runner.done
        assert left_behind() == (0, 0, 0)

    async def test_is_false_until_the_last_result(self) -> None:
        seen = []
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, same, 1), (tasks, same, 2)])
            while not runner.done:
                seen.append(runner.done)
                runner.handle_message(await receive())

        assert seen == [False, False]
        assert runner.handle_message("anything") is None


class TestStop:
    async def test_kills_what_has_not_ended(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, forever), (tasks, forever)])
            runner.stop()

            assert runner.done
            assert tasks.children() == []
            assert left_behind()[0] == 0

    async def test_may_leave_it_running(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, forever)])
            runner.stop(kill=False)

            assert len(tasks.children()) == 1

    async def test_kills_after_a_timeout_too(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, forever)], timeout=0.001)
            await collected(runner)
            runner.stop()

            assert tasks.children() == []
        assert caplog.records == []

    async def test_drops_results_that_are_there(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, same, 1), (tasks, crash)])
            while tasks.children():
                await fastask.sleep(0)
            runner.stop()

        assert receive_nowait(default=None) is None


class TestIteration:
    async def test_gives_the_events_and_leaves_other_messages(self) -> None:
        send(self_(), "before")
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, same, 1), (tasks, forever)], timeout=0.01)
            events = [event async for event in runner]
            runner.stop()

        assert events == [Ok(1), TaskRunner.TIMEOUT]
        assert await receive() == "before"

    async def test_may_be_left_and_goes_on(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, same, x) for x in range(3)])
            events = []
            async for event in runner:
                events.append(event)
                break
            events += [event async for event in runner]

        assert events == [Ok(0), Ok(1), Ok(2)]


class TestStart:
    async def test_that_fails_kills_what_was_started(self) -> None:
        async with TaskSupervisor(max_children=1) as tasks:
            with pytest.raises(MaxChildrenError):
                TaskRunner.run([(tasks, forever), (tasks, forever)])

            assert tasks.children() == []
            assert left_behind()[0] == 0

    @pytest.mark.parametrize("spec", ["tasks", ("tasks",), 42, None, ["tasks", same]])
    async def test_refuses_what_is_no_specification(self, spec: Any) -> None:
        with pytest.raises(TypeError, match="a specification must be a tuple"):
            TaskRunner.run([spec])

    async def test_refuses_what_is_no_function(self) -> None:
        async with TaskSupervisor() as tasks:
            bad: Any = (tasks, 42)
            with pytest.raises(TypeError, match="fn must be"):
                TaskRunner.run([(tasks, forever), bad])

            assert tasks.children() == []

    async def test_needs_the_supervisor(self) -> None:
        with pytest.raises(UnknownNameError):
            TaskRunner.run([("nobody", same, 1)])

        assert left_behind() == (0, 0, 0)

    def test_is_the_only_way_to_make_one(self) -> None:
        with pytest.raises(TypeError, match=r"made by TaskRunner\.run"):
            TaskRunner()


class TestOwner:
    async def test_may_end_and_the_tasks_run_on(self) -> None:
        test = self_()
        async with TaskSupervisor() as tasks:

            async def owner() -> None:
                TaskRunner.run([(tasks, forever)])
                send(test, tasks.children()[0])
                raise ValueError("owner")

            _, ref = spawn_monitor(owner)
            process = await receive(Process)
            await receive(ref)

            assert process.alive
            fastask.exit(process, KILL)

    async def test_may_be_a_server(self) -> None:
        async with TaskSupervisor(name="tasks"):
            process = await Aggregator.start_link([(same, 1), (crash,), (same, 2)])
            assert process is not None

            assert await Aggregator.total(process) == 3
            assert (await fastask.sys.get_state(process)).strange == ["hello"]
            await GenServer.stop(process)


class Aggregator(GenServer):
    """Adds up results while it answers, and keeps what is not the runner's."""

    def init(self, work: list[Any]) -> None:
        self.sum = 0
        self.strange: list[Any] = []
        self.waiting: list[fastask.GenCall] = []
        self.runner = TaskRunner.run([("tasks", *item) for item in work])
        send(self_(), "hello")

    @call
    def total(self) -> int:
        return self.sum

    def handle_call(self, request: Any, from_: Any) -> Any:
        raise AssertionError(request)

    async def handle_info(self, message: Any) -> None:
        match self.runner.handle_message(message):
            case Ok(value):
                self.sum += value
            case None:
                self.strange.append(message)


class TestEvents:
    async def test_equal_plain_outcomes(self) -> None:
        async with TaskSupervisor() as tasks:
            task = tasks.async_nolink(same, 1)
            await task
        ok, failed = RunnerOk(1, task, 0), RunnerFailed("x", task, 1)

        assert ok == Ok(1)
        assert Ok(1) == ok
        assert hash(ok) == hash(Ok(1))
        assert failed == Failed("x")
        assert Failed("x") == failed
        assert hash(failed) == hash(Failed("x"))
        assert ok != failed
        assert ok.unwrap() == 1
