"""Children that end, crash and are restarted, under every kind of supervisor."""

from __future__ import annotations

import logging

import fastask
from fastask import DynamicSupervisor, Registry, Supervisor, TaskSupervisor

WARM_UP = 2
ROUNDS = 20

logging.disable()


class Server(fastask.GenServer):
    def init(self, client: fastask.Process) -> None:
        self.client = client
        Registry.ref("registry").register(fastask.make_ref(), self)
        fastask.send(client, fastask.self_())

    @fastask.cast
    def crash(self) -> None:
        raise ValueError(self)


async def nothing(x: int) -> int:
    return x


async def workload() -> None:
    me = fastask.self_()
    children = [
        Registry(name="registry"),
        TaskSupervisor(name="tasks"),
        (Server, me),
        DynamicSupervisor(name="dynamic"),
    ]
    async with Supervisor(children, max_restarts=50):
        tasks = TaskSupervisor.ref("tasks")
        for x in range(20):
            Server.crash(await fastask.receive(fastask.Process))
            await tasks.async_(nothing, x)
            tasks.start_child(nothing, x)
        await fastask.receive(fastask.Process)
        runner = fastask.TaskRunner.run([("tasks", nothing, x) for x in range(20)])
        async for _ in runner:
            pass
        dynamic = DynamicSupervisor.ref("dynamic")
        await dynamic.start_child((Server, me))
        await fastask.receive(fastask.Process)
