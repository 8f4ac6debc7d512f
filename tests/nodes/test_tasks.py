"""Tasks under the supervisor of another node."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILLED,
    NOCONNECTION,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Address,
    Down,
    Exited,
    Failed,
    Ok,
    Reply,
    TaskSupervisor,
)
from tests.nodes import there
from tests.nodes.conftest import Cluster, only_local


class TestTheArticle:
    async def test_a_hundred_tasks_run_on_random_nodes(self, cluster: Cluster) -> None:
        async with cluster(3) as world:
            nodes = [fastask.node(), *fastask.nodes()]
            chosen = [random.choice(nodes) for _ in range(100)]

            tasks = [
                TaskSupervisor.ref("task_supervisor", node).async_(there.where, number)
                for number, node in enumerate(chosen)
            ]
            outcomes = [outcome for _, outcome in await fastask.yield_many(tasks)]

            assert outcomes == [Ok((n, node)) for n, node in enumerate(chosen)]
            assert sorted(nodes) == sorted([fastask.node(), *world.names])


class TestOutcomes:
    async def test_a_value_is_a_reply_and_a_down(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_(there.identity, {"a": [1, 2]})

            assert await fastask.receive() == Reply(task.ref, {"a": [1, 2]})
            assert await fastask.receive() == Down(task.ref, task.process, NORMAL)

    async def test_an_exception_is_raised_with_its_traceback(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_nolink(
                there.raise_value_error, "no"
            )

            with pytest.raises(ValueError, match=r"^no$") as caught:
                await task
            assert "raise ValueError(text)" in str(caught.value.__cause__)

    async def test_an_exception_that_cannot_be_read_is_told_of(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_nolink(there.raise_odd)

            with pytest.raises(fastask.WorkerError, match="Odd: 1 2, an exception"):
                await task

    async def test_an_exit_reason_is_what_it_was(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_nolink(there.end_with, ("a", 1))

            assert await task.yield_() == Failed(("a", 1))

    async def test_a_plain_function_runs_in_a_thread(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_(there.plain, 1)

            assert await task == (2, False)

    async def test_a_plain_function_knows_its_node(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            (name,) = world.names
            me = fastask.node()

            assert await fastask.async_(fastask.node) == me
            assert await fastask.async_(fastask.nodes) == [name]
            assert await world.tasks(name).async_(fastask.node) == name
            assert await world.tasks(name).async_(fastask.nodes) == [me]
        assert await fastask.async_(fastask.node) == "nonode@nohost"
        assert await fastask.async_(fastask.nodes) == []

    async def test_a_closure_travels_by_its_code(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            for factor in range(3):

                async def times(x: int, factor: int = factor) -> int:
                    return x * factor

                assert await world.tasks(world.names[0]).async_(times, 7) == 7 * factor

    async def test_asyncio_gathers_them(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            tasks = [
                world.tasks(world.names[0]).async_(there.identity, n) for n in range(5)
            ]

            assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4]

    async def test_asyncio_cancels_them(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_nolink(
                there.announce, fastask.self_()
            )
            await fastask.receive(tuple)

            task.cancel()

            await asyncio.wait([asyncio.ensure_future(task)], timeout=5)
            assert task.cancelled()
            assert await fastask.receive(tuple) == ("unwound", None)

    async def test_messages_reach_the_process_of_a_task(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_(there.reply_once)
            assert task.process is not None

            fastask.send(task.process, 42)

            assert await task == 42


class TestFailures:
    async def test_nobody_has_the_name(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            nobody = TaskSupervisor.ref("nobody", world.names[0])
            task = nobody.async_nolink(there.where)

            assert await task.yield_() == Failed(NOPROC)

    async def test_the_name_is_of_no_task_supervisor(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = TaskSupervisor.ref("counter", world.names[0]).async_nolink(
                there.where
            )

            with pytest.raises(fastask.NoProcessError, match="running task supervisor"):
                await task

    async def test_there_is_no_such_node(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = world.tasks("no@where").async_nolink(there.where)

            assert await task.yield_(0) == Failed(NOCONNECTION)

    async def test_this_node_is_in_no_cluster(self) -> None:
        task = TaskSupervisor.ref("tasks", "a@host").async_nolink(there.where)

        assert await task.yield_(0) == Failed(NOCONNECTION)

    async def test_the_supervisor_is_full(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            small = TaskSupervisor.ref("small", world.names[0])
            first = small.async_(there.announce, fastask.self_())
            await fastask.receive(tuple)

            with pytest.raises(fastask.MaxChildrenError, match="max_children is 1"):
                await small.async_nolink(there.where)
            await first.shutdown()

    async def test_an_argument_that_cannot_be_pickled_raises_at_once(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])

            with pytest.raises(TypeError, match=r"argument 2 of identity .* <unlocked"):
                tasks.async_(there.identity, 1, ["a", {"b": threading.Lock()}])  # type: ignore[arg-type,call-arg]  # refused before it is called
            assert await tasks.count_children() == fastask.ChildCount(0, 0, 0, 0)

    async def test_a_value_that_cannot_be_pickled_fails_the_task(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_nolink(there.lock)

            with pytest.raises(TypeError, match="what the task returns must be pick"):
                await task

    async def test_a_coroutine_object_is_refused(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            with pytest.raises(TypeError, match="fn must be a function"):
                world.tasks(world.names[0]).async_(there.where())

    async def test_time_runs_out_and_the_late_reply_is_dropped(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            task = tasks.async_nolink(there.reply_once)
            assert task.process is not None

            with pytest.raises(fastask.TaskTimeoutError):
                await task.await_(0.01)
            fastask.send(task.process, "late")

            assert await tasks.async_(there.identity, "next") == "next"
            assert fastask.receive_nowait(default=None) is None


class TestTaskRunner:
    async def test_runs_over_nodes_and_stops(self, cluster: Cluster) -> None:
        async with cluster(2) as world:
            one, two = (world.tasks(name) for name in world.names)

            runner = fastask.TaskRunner.run(
                [
                    (one, there.identity, 1),
                    (two, there.identity, 2),
                    (one, there.forever),
                ]
            )
            events = {await anext(runner) for _ in range(2)}
            runner.stop()

            assert events == {Ok(1), Ok(2)}
            assert await one.children() == []
            assert fastask.receive_nowait(default=None) is None


class TestLinks:
    @pytest.mark.usefixtures("crashes")
    async def test_a_crash_ends_the_owner(self, cluster: Cluster) -> None:
        async with cluster(1) as world:

            async def owner() -> None:
                world.tasks(world.names[0]).async_(there.raise_value_error, "no")
                await fastask.sleep(3600)

            _, ref = fastask.spawn_monitor(owner)

            reason = (await fastask.receive(ref)).reason
            assert isinstance(reason, ValueError)

    async def test_an_owner_that_traps_gets_exited_and_down(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            fastask.trap_exit(True)
            task = world.tasks(world.names[0]).async_(there.end_with, "why")

            assert await fastask.receive() == Exited(task.process, "why")
            assert await fastask.receive() == Down(task.ref, task.process, "why")

    async def test_a_crash_is_not_logged_here_nor_there(
        self, cluster: Cluster, capfd: pytest.CaptureFixture[str]
    ) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_nolink(
                there.raise_value_error, "seen"
            )
            assert isinstance(await task.yield_(), Failed)

        assert "seen" not in capfd.readouterr().err

    @only_local  # it reads the standard error of the workers, which is ours
    async def test_a_crash_that_nobody_waits_for_any_more_is_logged_there(
        self, cluster: Cluster, capfd: pytest.CaptureFixture[str]
    ) -> None:
        async with cluster(1) as world:
            (name,) = world.names
            me = fastask.self_()

            async def owner() -> None:
                world.tasks(name).async_nolink(there.crash_when_told, me)

            await fastask.spawn(owner)
            await fastask.receive(str)
            fastask.send(Address("victim", name), "crash")
            while await world.tasks(name).children():
                pass

        assert "ValueError: unobserved" in capfd.readouterr().err

    async def test_an_owner_that_ends_takes_a_linked_task_along(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            me = fastask.self_()

            async def owner() -> None:
                world.tasks(world.names[0]).async_(there.announce, me)
                await fastask.sleep(3600)

            process = fastask.spawn(owner)
            await fastask.receive(tuple)

            fastask.exit(process, (SHUTDOWN, "enough"))

            assert await fastask.receive(tuple) == ("unwound", (SHUTDOWN, "enough"))

    async def test_an_unlinked_task_outlives_its_owner(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            me = fastask.self_()

            async def owner() -> None:
                world.tasks(world.names[0]).async_nolink(there.announce, me)
                await fastask.sleep(3600)

            process = fastask.spawn(owner)
            _, task = await fastask.receive(tuple)
            fastask.exit(process, SHUTDOWN)

            assert await world.tasks(world.names[0]).children() == [task]


class TestShutdown:
    async def test_the_task_unwinds(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_(there.announce, fastask.self_())
            await fastask.receive(tuple)

            assert await task.shutdown() is None
            assert await fastask.receive(tuple) == ("unwound", SHUTDOWN)

    async def test_one_that_does_not_obey_is_killed_in_time(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            task = tasks.async_nolink(there.stubborn, fastask.self_())
            await fastask.receive(fastask.Process)

            assert await task.shutdown(0.05) == Failed(KILLED)
            assert isinstance(await fastask.receive(), Exited)
            assert await tasks.children() == []

    async def test_a_kill_is_over_at_once(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            task = tasks.async_(there.forever)

            assert await task.shutdown(BRUTAL_KILL) is None
            assert await tasks.children() == []

    async def test_what_is_late_is_killed_by_yield_many(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            late = tasks.async_(there.forever)

            outcomes = await fastask.yield_many([late], 0.01, on_timeout="kill_task")

            assert outcomes == [(late, None)]
            assert await tasks.children() == []
            assert fastask.receive_nowait(default=None) is None

    async def test_ignore_lets_it_run(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            task = tasks.async_(there.reply_once)

            assert task.ignore() is None
            assert len(await tasks.children()) == 1


class TestVerbs:
    async def test_a_child_is_started_and_stopped(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])

            child = await tasks.start_child(there.announce, fastask.self_())

            assert await fastask.receive(tuple) == ("runs", child)
            assert (await tasks.count_children()).active == 1
            assert [i.process for i in await tasks.which_children()] == [child]
            await tasks.terminate_child(child)
            assert await tasks.children() == []

    async def test_a_child_that_is_killed_without_asking(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            other = await tasks.start_child(there.forever)

            child = await tasks.start_child(
                there.announce, fastask.self_(), shutdown=BRUTAL_KILL
            )
            task = tasks.async_nolink(
                there.announce, fastask.self_(), shutdown=BRUTAL_KILL
            )

            for process in (child, task.process):
                assert process is not None
                assert await fastask.receive(tuple) == ("runs", process)
                await tasks.terminate_child(process)
            assert await fastask.yield_(task) == Failed(KILLED)
            assert await tasks.children() == [other]
            # Nobody was asked: neither tells how an exit signal unwound it.
            assert fastask.receive_nowait(tuple, default=None) is None

    async def test_what_is_wrong_is_raised(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])

            with pytest.raises(ValueError, match="restart must be one of"):
                await tasks.start_child(there.forever, restart="often")  # type: ignore[arg-type]  # on purpose
            with pytest.raises(fastask.ChildNotFoundError):
                await tasks.terminate_child(fastask.self_())
            with pytest.raises(fastask.NoProcessError, match="must be running"):
                await TaskSupervisor.ref("nobody", world.names[0]).children()

    async def test_the_node_may_be_this_one(self, cluster: Cluster) -> None:
        async with cluster(1):
            tasks = TaskSupervisor.ref("task_supervisor", fastask.node())

            assert await tasks.async_(there.where, 1) == (1, fastask.node())
            child = await tasks.start_child(there.forever)
            assert await tasks.children() == [child]
            await tasks.terminate_child(child)
