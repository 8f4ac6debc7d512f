"""The articles' programs with supervisors and servers: values, and nothing left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import fastask
from fastask import (
    Failed,
    GenServer,
    Ok,
    Reply,
    Supervisor,
    TaskRunner,
    TaskSupervisor,
    call,
    receive,
    receive_nowait,
    self_,
    send,
)
from fastask.demo import supervised
from fastask.demo.articles import Program

PROGRAMS = supervised.make_programs()


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
class TestPrograms:
    @pytest.mark.usefixtures("crashes")
    async def test_gives_its_value_and_leaves_nothing(self, program: Program) -> None:
        assert await program.run() == program.value
        assert receive_nowait(default=None) is None


async def compute(x: int) -> int:
    if x <= 0:
        raise ValueError(f"x must be > 0, got {x}")
    await fastask.sleep(x / 10_000)
    return x


class Client(GenServer):
    """The TaskRunnerClient inside a server, which answers meanwhile."""

    def init(self, inputs: list[int], timeout: float) -> None:
        self.total = 0
        self.state = "running"
        self.asked: list[fastask.GenCall] = []
        specs: list[Any] = [("task_supervisor", compute, x) for x in inputs]
        self.runner = TaskRunner.run(specs, timeout=timeout)

    @call
    def so_far(self) -> int:
        return self.total

    def handle_call(self, request: Any, from_: fastask.GenCall) -> Any:
        assert request == "result"
        self.asked.append(from_)
        return fastask.NoReply()

    def handle_info(self, message: Any) -> None:
        match self.runner.handle_message(message):
            case Ok(value):
                self.total += value
            case Failed():
                pass
            case TaskRunner.TIMEOUT:
                self.state = "timeout"
            case None:
                raise AssertionError(message)
        if self.runner.done:
            if self.state == "running":
                self.state = "ok"
            for from_ in self.asked:
                GenServer.reply(from_, (self.state, self.total))


class TestTaskRunnerInAServer:
    async def test_collects_while_the_server_answers(self) -> None:
        async with TaskSupervisor(name="task_supervisor"):
            client = await Client.start([-5, 10, 20, -1, 30], 5.0)
            assert client is not None
            assert await Client.so_far(client) == 0

            assert await GenServer.call(client, "result") == ("ok", 60)
            await GenServer.stop(client)

    async def test_gives_partial_results_at_the_deadline(self) -> None:
        async with TaskSupervisor(name="task_supervisor"):
            client = await Client.start([10, 20, 600_000], 0.1)
            assert client is not None

            assert await GenServer.call(client, "result") == ("timeout", 30)
            await GenServer.stop(client)

    async def test_stops_at_the_first_success(self) -> None:
        async with TaskSupervisor(name="task_supervisor") as tasks:
            specs: list[Any] = [(tasks, compute, x) for x in (-1, 10, 600_000)]
            runner = TaskRunner.run(specs)
            async for event in runner:
                if isinstance(event, Ok):
                    runner.stop()
            await fastask.sleep(0)

            assert tasks.children() == []


class TestStateServer:
    async def test_answers_at_once_whatever_it_waits_for(self) -> None:
        async with TaskSupervisor(name="tasks"):
            server = await Merging.start()
            assert server is not None
            states = [await state_of(server)]
            send((await fastask.sys.get_state(server)).waiting[0], "go")
            await until(server, 1)
            states.append(await state_of(server))
            send((await fastask.sys.get_state(server)).waiting[1], "go")
            await until(server, 2)
            states.append(await state_of(server))
            await GenServer.stop(server)

        assert states == [
            {},
            {"first": "First"},
            {"first": "First", "second": "Second"},
        ]


class Merging(GenServer):
    def init(self) -> None:
        tasks = TaskSupervisor.ref("tasks")
        self.state: dict[str, str] = {}
        self.waiting = [
            tasks.async_nolink(later, "first", "First").process,
            tasks.async_nolink(later, "second", "Second").process,
        ]

    def handle_info(self, message: Any) -> None:
        match message:
            case Reply(ref, (key, value)):
                fastask.demonitor(ref, flush=True)
                self.state[key] = value


async def later(key: str, value: str) -> tuple[str, str]:
    await receive("go".__eq__)
    return key, value


async def state_of(server: Any) -> dict[str, str]:
    return dict((await fastask.sys.get_state(server)).state)


async def until(server: Any, count: int) -> None:
    while len(await state_of(server)) < count:
        await fastask.sleep(0)


class TestMasterAndTasks:
    @pytest.mark.usefixtures("crashes")
    async def test_under_one_for_all_the_tasks_stop_with_the_master(self) -> None:
        me = self_()
        numbers: Iterator[int] = iter(range(100))

        async def master() -> None:
            tasks = TaskSupervisor.ref("tasks")
            process = tasks.start_child(receive, "never".__eq__)
            send(me, (next(numbers), process, self_()))
            await receive("never".__eq__)

        tree = [TaskSupervisor(name="tasks"), master]
        async with Supervisor(tree, strategy="one_for_all"):
            number, task, process = await receive(tuple)
            fastask.exit(process, "crash")
            again, other, _ = await receive(tuple)

            assert (number, again) == (0, 1)
            assert not task.alive
            assert other.alive
