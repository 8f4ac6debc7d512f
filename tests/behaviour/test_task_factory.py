"""asyncio's own tasks on the core: `loop.set_task_factory(fastask.task_factory)`."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import random
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import fastask
from fastask import Down, Exit, Process

Loop = asyncio.AbstractEventLoop
Play = Callable[..., Any]
Factory = Callable[..., Any]

VALUE = contextvars.ContextVar("VALUE", default=0)


@pytest.fixture
def loop(loop_factory: Callable[[], Loop]) -> Iterator[Loop]:
    """A loop with the factory."""
    loop = loop_factory()
    loop.set_task_factory(fastask.task_factory)
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def play(loop: Loop) -> Play:
    """Run a coroutine function on that loop."""

    def play(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return loop.run_until_complete(main())

    return play


def complaints(loop: Loop) -> list[dict[str, Any]]:
    """Return the list of what the loop's exception handler is told."""
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    return told


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def fail() -> None:
    raise ZeroDivisionError("boom")


class TestTask:
    def test_is_a_task_of_asyncio_and_a_process(self, play: Play) -> None:
        async def main() -> None:
            task = asyncio.create_task(asyncio.sleep(0), name="sleeper")
            assert isinstance(task, asyncio.Task)
            assert isinstance(task, Process)
            assert asyncio.isfuture(task)
            assert task.get_name() == "sleeper"
            await task

        play(main)

    def test_is_the_current_one_while_it_runs(self, play: Play) -> None:
        async def who() -> object:
            await asyncio.sleep(0)
            return asyncio.current_task()

        async def main() -> None:
            task = asyncio.create_task(who())
            assert await task is task

        play(main)

    def test_is_among_all_tasks_until_it_ends(self, play: Play) -> None:
        async def main() -> None:
            me = asyncio.current_task()
            task = asyncio.create_task(asyncio.sleep(0))
            assert asyncio.all_tasks() == {me, task}
            await task
            assert asyncio.all_tasks() == {me}

        play(main)

    def test_leaves_nothing_in_asyncios_set_of_tasks(
        self, loop_factory: Callable[[], Loop]
    ) -> None:
        def entries() -> int:
            gc.collect()
            tasks: Any = asyncio.tasks
            found = getattr(tasks, "_scheduled_tasks", None)
            return len((tasks._all_tasks if found is None else found).data)

        before = entries()
        for _ in range(3):
            loop = loop_factory()
            loop.set_task_factory(fastask.task_factory)
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            del loop

        assert entries() <= before

    def test_runs_in_the_context_that_it_is_given(self, play: Play) -> None:
        async def value() -> int:
            return VALUE.get()

        async def main() -> None:
            context = contextvars.copy_context()
            context.run(VALUE.set, 7)
            task = asyncio.create_task(value(), context=context)
            assert await task == 7
            assert await asyncio.create_task(value()) == 0

        play(main)

    def test_takes_attributes_of_other_people(self, play: Play) -> None:
        async def main() -> None:
            task: Any = asyncio.create_task(asyncio.sleep(0))
            task.theirs = 1
            assert task.theirs == 1
            del task.theirs
            with pytest.raises(AttributeError, match="theirs"):
                _ = task.theirs
            with pytest.raises(AttributeError):
                task.id = 3
            await task

        play(main)

    def test_is_refused_what_is_no_coroutine(self, loop: Loop) -> None:
        with pytest.raises(TypeError, match="a coroutine was expected, got 3"):
            fastask.task_factory(loop, 3)  # type: ignore[arg-type]  # that is the point

    def test_is_made_for_a_loop_that_does_not_run_yet(self, loop: Loop) -> None:
        task = loop.create_task(asyncio.sleep(0, "done"))
        assert loop.run_until_complete(task) == "done"

    def test_raises_what_its_coroutine_raised(self, play: Play) -> None:
        async def main() -> None:
            task = asyncio.create_task(fail())
            with pytest.raises(ZeroDivisionError, match="boom"):
                await task
            assert isinstance(task.exception(), ZeroDivisionError)

        play(main)

    def test_is_cancelled_with_the_message(self, play: Play) -> None:
        async def main() -> None:
            task = asyncio.create_task(forever())
            await asyncio.sleep(0)
            assert task.cancel("enough")
            with pytest.raises(asyncio.CancelledError, match="enough"):
                await task
            assert task.cancelled()
            assert not task.cancel()

        play(main)

    def test_is_cancelled_by_a_cancel_right_before_it_returns(self, play: Play) -> None:
        async def last_words() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

        async def main() -> None:
            task = asyncio.create_task(last_words())
            await asyncio.wait([task])
            assert task.cancelled()

        play(main)


class TestReports:
    def test_an_exception_that_nobody_takes_is_asyncios_to_tell(
        self, loop: Loop, play: Play
    ) -> None:
        told = complaints(loop)

        async def main() -> None:
            task = asyncio.create_task(fail())
            await asyncio.wait([task])

        play(main)
        gc.collect()
        assert [context["message"] for context in told] == [
            "Task exception was never retrieved"
        ]
        assert isinstance(told[0]["exception"], ZeroDivisionError)

    def test_a_pending_task_that_nobody_can_wake_is_told_of(
        self, loop: Loop, play: Play
    ) -> None:
        told = complaints(loop)

        async def main() -> None:
            asyncio.create_task(forever())  # noqa: RUF006  # it dangles on purpose
            await asyncio.sleep(0)
            gc.collect()

        play(main)
        assert [context["message"] for context in told] == [
            "Task was destroyed but it is pending!"
        ]

    def test_a_callback_that_fails_is_told_of_and_the_others_are_called(
        self, loop: Loop, play: Play
    ) -> None:
        told = complaints(loop)
        called: list[object] = []

        def bad(task: object) -> None:
            raise ValueError("bad")

        async def main() -> None:
            task = asyncio.create_task(asyncio.sleep(0))
            task.add_done_callback(bad)
            task.add_done_callback(called.append)
            await task
            await asyncio.sleep(0)
            assert called == [task]

        play(main)
        assert [str(context["exception"]) for context in told] == ["bad"]

    def test_a_callback_that_is_interrupted_leaves_the_others_to_be_called(
        self, loop: Loop, play: Play
    ) -> None:
        called: list[object] = []

        def interrupted(task: object) -> None:
            raise KeyboardInterrupt

        async def main() -> None:
            task = asyncio.create_task(asyncio.sleep(0))
            task.add_done_callback(called.append)
            task.add_done_callback(interrupted)
            task.add_done_callback(called.append)
            task.add_done_callback(called.append)
            await asyncio.Event().wait()

        task = loop.create_task(main())
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        assert len(called) == 3

    def test_a_callback_is_called_in_no_task(self, play: Play) -> None:
        found: list[object] = []

        async def main() -> None:
            task = asyncio.create_task(asyncio.sleep(0))
            task.add_done_callback(lambda _: found.append(asyncio.current_task()))
            await task
            await asyncio.sleep(0)

        play(main)
        assert found == [None]


class TestProcess:
    def test_has_a_mailbox(self, play: Play) -> None:
        async def echo() -> object:
            return await fastask.receive()

        async def main() -> None:
            task: Any = asyncio.create_task(echo())
            fastask.send(task, "hello")
            assert await task == "hello"

        play(main)

    def test_is_monitored(self, play: Play) -> None:
        async def main() -> None:
            task: Any = asyncio.create_task(fail())
            ref = fastask.monitor(task)
            down = await fastask.receive(ref)
            assert isinstance(down, Down)
            assert isinstance(down.reason, ZeroDivisionError)
            assert task.exception() is down.reason

        play(main)

    def test_ends_by_an_exit_signal(self, play: Play) -> None:
        async def main() -> None:
            task: Any = asyncio.create_task(forever())
            await asyncio.sleep(0)
            fastask.exit(task, "enough")
            with pytest.raises(Exit) as caught:
                await task
            assert caught.value.reason == "enough"

        play(main)

    def test_that_waits_for_a_message_lives_though_nobody_holds_it(
        self, play: Play
    ) -> None:
        async def waiting() -> None:
            fastask.register("waiting")
            caller = await fastask.receive()
            fastask.send(caller, "here")

        async def main() -> None:
            asyncio.create_task(waiting())  # noqa: RUF006  # the core holds it
            await asyncio.sleep(0)
            gc.collect()
            fastask.send("waiting", fastask.self_())
            assert await fastask.receive() == "here"

        play(main)


class TestClosedLoop:
    def test_is_freed_with_tasks_that_could_still_run(
        self, loop_factory: Callable[[], Loop]
    ) -> None:
        async def busy() -> None:
            while True:
                await asyncio.sleep(0)

        async def main() -> None:
            for _ in range(3):
                asyncio.create_task(busy())  # noqa: RUF006  # it dangles on purpose
            await asyncio.sleep(0)

        told: list[str] = []  # the messages alone: a task holds its loop
        loop = loop_factory()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        loop.set_task_factory(fastask.task_factory)
        loop.run_until_complete(main())
        loop.close()
        is_there = weakref.ref(loop)
        del loop
        gc.collect()

        assert is_there() is None
        assert told == ["Task was destroyed but it is pending!"] * 3


class TestEager:
    def test_runs_to_its_first_wait_at_once(self, loop: Loop) -> None:
        log: list[str] = []

        async def child() -> None:
            log.append("child")
            await asyncio.sleep(0)
            log.append("later")

        async def main() -> None:
            me = asyncio.current_task()
            task = asyncio.create_task(child())
            log.append("main")
            assert asyncio.current_task() is me
            await task

        loop.set_task_factory(fastask.eager_task_factory)
        loop.run_until_complete(main())
        assert log == ["child", "main", "later"]

    def test_is_over_when_nothing_was_awaited(self, loop: Loop) -> None:
        async def value() -> int:
            return 3

        async def main() -> None:
            task = asyncio.create_task(value())
            assert task.done()
            assert task.result() == 3
            assert task not in asyncio.all_tasks()

        loop.set_task_factory(fastask.eager_task_factory)
        loop.run_until_complete(main())


class TestTurns:
    async def give_way_until(self, flag: list[object]) -> None:
        while not flag:
            await asyncio.sleep(0)

    @pytest.mark.parametrize("tasks", [1, 2, 10])
    def test_tasks_that_give_way_without_end_let_timers_fire(
        self, play: Play, tasks: int
    ) -> None:
        async def main() -> None:
            flag: list[object] = []
            asyncio.get_running_loop().call_later(0.01, flag.append, 1)
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                for _ in range(tasks):
                    group.create_task(self.give_way_until(flag))

        play(main)

    def test_tasks_that_wake_each_other_without_end_let_timers_fire(
        self, play: Play
    ) -> None:
        async def main() -> None:
            flag: list[object] = []
            asyncio.get_running_loop().call_later(0.01, flag.append, 1)
            while not flag:
                await asyncio.create_task(asyncio.sleep(0))

        play(main)

    def test_what_another_thread_calls_has_its_turn(self, play: Play) -> None:
        async def main() -> None:
            flag: list[object] = []
            loop = asyncio.get_running_loop()
            call = asyncio.to_thread(loop.call_soon_threadsafe, flag.append, 1)
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                group.create_task(call)
                group.create_task(self.give_way_until(flag))

        play(main)


ACTS = ("start", "start", "sleep", "wait", "wait", "set", "set", "call", "cancel")
ACTS_ON_ANOTHER = ("await", "callback")


class World:
    """A program made of a seed, and the log of what its tasks did in which order."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.log: list[object] = []
        self.futures: list[asyncio.Future[None]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.names = iter(range(40))

    def start(self) -> None:
        name = next(self.names, None)
        if name is None:
            return
        acts = [
            self.random.choice(ACTS + ACTS_ON_ANOTHER)
            for _ in range(self.random.randrange(8))
        ]
        self.tasks.append(asyncio.create_task(self.live(name, acts)))

    async def live(self, name: int, acts: list[str]) -> None:
        try:
            for act in acts:
                self.log.append((name, act))
                await self.do(name, act)
        except asyncio.CancelledError:
            self.log.append((name, "cancelled"))
            raise
        self.log.append((name, "end"))

    async def do(self, name: int, act: str) -> None:
        loop = asyncio.get_running_loop()
        if act == "start":
            self.start()
        elif act == "sleep":
            await asyncio.sleep(0)
        elif act == "wait":
            future = loop.create_future()
            self.futures.append(future)
            await future
        elif act == "set" and self.futures:
            future = self.futures.pop(self.random.randrange(len(self.futures)))
            if not future.done():
                future.set_result(None)
        elif act == "call":
            loop.call_soon(self.log.append, (name, "called"))
        elif act == "cancel":
            self.random.choice(self.tasks).cancel()
        elif act == "await":
            other = self.random.choice(self.tasks)
            if other is not asyncio.current_task() and other.done():
                await asyncio.wait([other])
        elif act == "callback":
            self.random.choice(self.tasks).add_done_callback(
                lambda _: self.log.append((name, "callback"))
            )

    async def main(self) -> None:
        for _ in range(5):
            self.start()
        for _ in range(100):
            await asyncio.sleep(0)
            for future in self.futures[:1]:
                if not future.done():
                    future.set_result(None)
                self.futures.remove(future)
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)


def log_of(seed: int, loop: Loop, factory: Factory | None) -> list[object]:
    loop.set_task_factory(factory)
    world = World(seed)
    loop.run_until_complete(world.main())
    return world.log


class TestOrder:
    @pytest.mark.parametrize("seed", range(100))
    def test_is_that_of_asyncios_tasks(self, loop: Loop, seed: int) -> None:
        theirs = log_of(seed, loop, None)
        ours = log_of(seed, loop, fastask.task_factory)

        assert len(theirs) > 5
        assert ours == theirs
