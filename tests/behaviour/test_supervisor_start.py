"""How a supervisor starts: its children in order, or none of them."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    NORMAL,
    SHUTDOWN,
    AlreadyStartedError,
    ChildInfo,
    ChildSpec,
    Exit,
    GenServer,
    Ignore,
    Process,
    StartError,
    Stop,
    Supervisor,
    monitor,
    process_info,
    processes,
    receive,
    receive_nowait,
    self_,
    send,
    spawn,
    trap_exit,
    whereis,
)


class Worker(GenServer):
    """Tells its teller when it starts and is told to stop."""

    def init(self, teller: Process[Any], name: str, answer: Any = None) -> Any:
        trap_exit(True)
        self.teller, self.name = teller, name
        send(teller, ("start", name))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def handle_cast(self, request: Any) -> Any:
        return request

    def terminate(self, reason: Any) -> None:
        send(self.teller, ("stop", self.name, reason))


class Slow(GenServer):
    """Never gets through its start."""

    async def init(self, teller: Process[Any]) -> None:
        send(teller, ("waiting",))
        await receive(lambda message: False)


def worker(name: str, answer: Any = None, **options: Any) -> ChildSpec:
    return Worker.child_spec(self_(), name, answer, id=name, name=name, **options)


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


def others() -> list[Process[Any]]:
    return [process for process in processes() if process is not self_()]


async def all_end(*helpers: Process[Any]) -> list[Any]:
    """Wait until processes have ended and return the reasons."""
    return [(await receive(ref)).reason for ref in [monitor(p) for p in helpers]]


class TestStart:
    async def test_children_start_in_order(self) -> None:
        async with Supervisor([worker("a"), worker("b"), worker("c")]) as supervisor:
            assert told() == [("start", "a"), ("start", "b"), ("start", "c")]
            assert [info.id for info in supervisor.which_children()] == ["c", "b", "a"]

    async def test_a_child_starts_when_the_init_before_it_is_over(self) -> None:
        class Two(GenServer):
            async def init(self, teller: Process[Any], name: str) -> None:
                send(teller, ("begin", name))
                for _ in range(5):
                    await fastask.sleep(0)
                send(teller, ("end", name))

        children = [Two.child_spec(self_(), name, id=name) for name in "ab"]
        async with Supervisor(children):
            assert told() == [
                ("begin", "a"),
                ("end", "a"),
                ("begin", "b"),
                ("end", "b"),
            ]

    async def test_of_no_children(self) -> None:
        async with Supervisor([]) as supervisor:
            assert supervisor.which_children() == []

    async def test_start_link_returns_the_supervisor_linked(self) -> None:
        supervisor = await Supervisor.start_link([worker("a")])

        assert isinstance(supervisor, Supervisor)
        assert left_behind()[1] == [supervisor.process]
        await supervisor.stop()

    async def test_children_are_linked_to_the_supervisor_only(self) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            child = whereis("a")
            assert child is not None
            info = process_info(child)
            assert info is not None
            assert list(info.links) == [supervisor.process]

    async def test_start_is_called_in_the_supervisor(self) -> None:
        callers: list[Process[Any]] = []

        async def start() -> None:
            callers.append(self_())

        spec = ChildSpec("later", start)
        async with Supervisor([spec]) as supervisor:
            assert callers == [supervisor.process]

    async def test_under_a_name(self) -> None:
        async with Supervisor([], name="top") as supervisor:
            assert whereis("top") is supervisor.process
        assert whereis("top") is None

    async def test_a_name_that_is_taken(self) -> None:
        async with Supervisor([], name="top") as first:
            with pytest.raises(AlreadyStartedError) as caught:
                await Supervisor.start_link([worker("a")], name="top")
            assert caught.value.process is first.process
            assert told() == []
            assert others() == [first.process]

    async def test_an_object_that_runs_does_not_start_again(self) -> None:
        async with Supervisor([]) as supervisor:
            with pytest.raises(AlreadyStartedError) as caught:
                await supervisor.__aenter__()
            assert caught.value.process is supervisor.process

    async def test_an_object_that_has_ended_starts_again(self) -> None:
        supervisor = Supervisor([worker("a")])
        async with supervisor:
            first = supervisor.process
        async with supervisor:
            assert supervisor.process is not first
            assert whereis("a") is not None

    async def test_a_subclass_with_its_own_init_is_a_child(self) -> None:
        class Pool(Supervisor):
            def __init__(self, teller: Process[Any], size: int) -> None:
                super().__init__(
                    [Worker.child_spec(teller, n, id=n) for n in range(size)]
                )

        async with Supervisor([(Pool, self_(), 2)]) as supervisor:
            assert told() == [("start", 0), ("start", 1)]
            [info] = supervisor.which_children()
            assert (info.id, info.type, info.modules) == (Pool, "supervisor", [Pool])

    @pytest.mark.parametrize("restart", ["permanent", "transient"])
    async def test_a_child_that_ignores_stays_known(self, restart: Any) -> None:
        ignoring = worker("a", Ignore(), restart=restart)
        async with Supervisor([ignoring, worker("b")]) as supervisor:
            info = supervisor.which_children()[-1]
            assert info == ChildInfo("a", None, "worker", [Worker])
            assert supervisor.count_children().active == 1

    async def test_a_temporary_child_that_ignores_is_dropped(self) -> None:
        ignoring = worker("a", Ignore(), restart="temporary")
        async with Supervisor([ignoring]) as supervisor:
            assert supervisor.which_children() == []

    async def test_a_child_that_has_ended_when_its_start_returns(self) -> None:
        async def start() -> Process[Any]:
            child = spawn(asyncio.sleep, 0)
            await receive(monitor(child))
            return child

        spec = ChildSpec("late", start, restart="temporary")
        async with Supervisor([spec, worker("b")]) as supervisor:
            await supervisor.start_child(worker("c"))
            assert [info.id for info in supervisor.which_children()] == ["c", "b"]


class TestFailure:
    async def test_stops_those_that_have_started_in_reverse(self) -> None:
        error = ValueError("boom")
        children = [worker("a"), worker("b"), worker("c", error), worker("d")]

        with pytest.raises(StartError) as caught:
            await Supervisor.start_link(children)
        assert caught.value.reason is error
        assert caught.value.child_id == "c"
        assert told() == [
            ("start", "a"),
            ("start", "b"),
            ("start", "c"),
            ("stop", "b", SHUTDOWN),
            ("stop", "a", SHUTDOWN),
        ]
        assert others() == []

    async def test_its_cause_is_the_exception(self) -> None:
        error = ValueError("boom")

        with pytest.raises(StartError) as caught:
            await Supervisor.start_link([worker("a", error)])
        assert caught.value.__cause__ is error

    async def test_a_caller_that_traps_finds_nothing(self) -> None:
        trap_exit(True)

        with pytest.raises(StartError):
            await Supervisor.start_link([worker("a"), worker("b", Stop("no"))])
        told()
        assert left_behind() == ([], [], [])

    async def test_a_caller_that_does_not_trap_lives(self) -> None:
        with pytest.raises(StartError, match="'a'"):
            async with Supervisor([worker("a", Stop("no"))]):
                raise AssertionError("not reached")
        told()
        assert left_behind() == ([], [], [])

    @pytest.mark.parametrize("reason", ["no", NORMAL, SHUTDOWN, ("a", 1)])
    async def test_has_the_reason_of_a_stop(self, reason: Any) -> None:
        with pytest.raises(StartError) as caught:
            await Supervisor.start_link([worker("a", Stop(reason))])
        assert (caught.value.child_id, caught.value.reason) == ("a", reason)

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_a_start_that_raises(self, is_async: bool) -> None:
        error = ValueError("boom")

        def start() -> None:
            raise error

        async def start_later() -> None:
            await asyncio.sleep(0)
            raise error

        spec = ChildSpec("bad", start_later if is_async else start)
        with pytest.raises(StartError) as caught:
            await Supervisor.start_link([worker("a"), spec])
        assert (caught.value.child_id, caught.value.reason) == ("bad", error)
        assert told() == [("start", "a"), ("stop", "a", SHUTDOWN)]

    async def test_a_start_that_raises_exit(self) -> None:
        def start() -> None:
            raise Exit("left")

        with pytest.raises(StartError) as caught:
            await Supervisor.start_link([ChildSpec("bad", start)])
        assert caught.value.reason == "left"

    @pytest.mark.parametrize("value", [5, "process", [], False])
    async def test_a_start_that_returns_garbage(self, value: object) -> None:
        with pytest.raises(StartError) as caught:
            await Supervisor.start_link([ChildSpec("bad", lambda: value)])
        assert caught.value.child_id == "bad"
        assert caught.value.reason == ("bad_return_value", value)

    async def test_a_start_with_wrong_arguments(self) -> None:
        with pytest.raises(StartError) as caught:
            await Supervisor.start_link([ChildSpec("bad", lambda: None, (1, 2))])
        assert isinstance(caught.value.reason, TypeError)

    async def test_a_name_of_a_child_that_is_taken(self) -> None:
        other = await Worker.start(self_(), "other", name="a")
        assert other is not None

        with pytest.raises(StartError) as caught:
            await Supervisor.start_link([worker("a")])
        assert isinstance(caught.value.reason, AlreadyStartedError)
        assert caught.value.reason.process is other
        await GenServer.stop(other)

    async def test_leaves_nothing_in_memory(self) -> None:
        other = await Worker.start(self_(), "other", name="a")
        assert other is not None
        seen: list[weakref.ref[Process[Any]]] = []

        def note() -> None:
            seen.append(weakref.ref(self_()))

        with pytest.raises(StartError):
            await Supervisor.start_link([ChildSpec("note", note), worker("a")])
        await GenServer.stop(other)
        gc.collect()

        assert [weak() for weak in seen] == [None]

    async def test_a_nested_one_tells_the_whole_way(self) -> None:
        error = ValueError("boom")
        inner = Supervisor([worker("b", error)], name="inner")

        with pytest.raises(StartError) as caught:
            await Supervisor.start_link([worker("a"), inner])
        assert caught.value.child_id == "inner"
        assert caught.value.reason == (SHUTDOWN, ("failed_to_start_child", "b", error))
        assert told()[-1] == ("stop", "a", SHUTDOWN)

    async def test_the_process_ends_with_the_whole_reason(self) -> None:
        """api.md, Detail 15."""
        error = ValueError("boom")
        watcher_has_it = asyncio.Event()

        async def watch(parent: Process[Any], supervisor: Process[Any]) -> None:
            ref = monitor(supervisor)
            watcher_has_it.set()
            send(parent, ("reason", (await receive(ref)).reason))

        async def start(parent: Process[Any]) -> None:
            spawn(watch, parent, self_())
            await watcher_has_it.wait()
            raise error

        with pytest.raises(StartError):
            await Supervisor.start_link([ChildSpec("bad", start, (self_(),))])
        assert await receive(tuple) == (
            "reason",
            (SHUTDOWN, ("failed_to_start_child", "bad", error)),
        )
        await all_end(*others())

    async def test_starts_later_when_the_cause_is_gone(self) -> None:
        answers = [Stop("not yet"), None]
        spec = worker("a")

        def start() -> Any:
            return Worker.start_link(self_(), "a", answers.pop(0), name="a")

        supervisor = Supervisor([ChildSpec(spec.id, start)])
        with pytest.raises(StartError):
            await supervisor.__aenter__()
        async with supervisor:
            assert whereis("a") is not None


class TestSlowStart:
    @pytest.mark.parametrize("reason", [KILL, "over", SHUTDOWN])
    async def test_a_caller_that_ends_takes_it_along(self, reason: Any) -> None:
        """api.md, Detail 15."""
        children = [worker("a"), (Slow, self_())]

        async def start() -> None:
            await Supervisor.start_link(children)

        caller = spawn(start)
        assert await receive(lambda m: m == ("waiting",)) == ("waiting",)
        assert len(others()) == 4  # the caller, the supervisor and its children
        started = others()
        fastask.exit(caller, reason)

        await all_end(*started)
        assert others() == []

    @pytest.mark.parametrize("nested", [False, True])
    async def test_a_caller_that_is_cancelled_takes_it_along(
        self, nested: bool
    ) -> None:
        trap_exit(True)

        async def start(scope: asyncio.Timeout) -> None:
            scope.reschedule(0)
            await receive(lambda message: False)

        started: list[Process[Any]] = []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as scope:
                slow: Any = ChildSpec("slow", start, (scope,))
                if nested:
                    slow = Supervisor([slow], name="inner")
                await Supervisor.start_link([worker("a"), slow])
        started += others()
        await all_end(*started)
        assert others() == []
        told()
        assert left_behind() == ([], [], [])

    async def test_a_start_of_a_child_may_have_a_limit(self) -> None:
        slow = Slow.child_spec(self_(), timeout=0.01)

        with pytest.raises(StartError) as caught:
            await Supervisor.start_link([worker("a"), slow])
        assert caught.value.child_id is Slow
        assert caught.value.reason == fastask.TIMEOUT
        assert told()[-1] == ("stop", "a", SHUTDOWN)

    async def test_verbs_wait_for_it(self) -> None:
        gate, parent = asyncio.Event(), self_()

        async def start() -> None:
            send(parent, ("waiting",))
            await gate.wait()

        async def run() -> None:
            async with Supervisor([ChildSpec("slow", start)], name="top"):
                await receive(lambda message: message == "stop")

        async def add(spec: ChildSpec) -> Process[Any] | None:
            return await Supervisor.ref("top").start_child(spec)

        running = fastask.async_(run)
        assert await receive(tuple) == ("waiting",)
        supervisor = Supervisor.ref("top")
        adding = fastask.async_(add, worker("b"))
        await fastask.sleep(0)
        gate.set()

        assert await adding is whereis("b")
        assert [info.id for info in supervisor.which_children()] == ["b", "slow"]
        send(running.process, "stop")
        await running
