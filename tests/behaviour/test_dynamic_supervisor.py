"""`DynamicSupervisor`: children that come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    ChildCount,
    ChildInfo,
    ChildNotFoundError,
    ChildSpec,
    Down,
    DynamicSupervisor,
    Exited,
    GenServer,
    Ignore,
    MaxChildrenError,
    NoProcessError,
    Process,
    StartError,
    Stop,
    Supervisor,
    call,
    cast,
    child_spec,
    monitor,
    process_info,
    receive,
    self_,
    send,
    trap_exit,
    whereis,
)


class Worker(GenServer):
    def init(self, client: Process[Any], *args: Any, trap: bool = False) -> None:
        send(client, ("started", self_(), args))

    @cast
    def end(self, reason: Any) -> Stop:
        return Stop(reason)

    @call
    def ping(self) -> str:
        return "pong"


class Slow(GenServer):
    """Traps, and takes its time to end, or never does."""

    def init(self, seconds: float | None, reason: Any = None) -> None:
        trap_exit(True)
        self.seconds, self.reason = seconds, reason

    async def terminate(self, reason: Any) -> None:
        await fastask.sleep(self.seconds)
        if self.reason is not None:
            raise fastask.Exit(self.reason)


def worker(*args: Any, **options: Any) -> ChildSpec:
    return Worker.child_spec(self_(), *args, **options)


async def started() -> Process[Any]:
    """Wait for the next worker to start."""
    _, process, _ = await receive(tuple)
    assert isinstance(process, Process)
    return process


def attempts(*results: Any) -> Callable[[], Any]:
    """A start function that gives one result after the other; the last one stays."""
    left: Iterator[Any] = iter(results)
    last: list[Any] = [None]

    async def start() -> Any:
        last[0] = next(left, last[0])
        if isinstance(last[0], Exception):
            raise last[0]
        return fastask.spawn_link(forever) if last[0] == "ok" else last[0]

    return start


async def forever() -> None:
    await receive("never".__eq__)


class TestStart:
    async def test_under_a_supervisor_has_no_children(self) -> None:
        async with Supervisor([DynamicSupervisor(name="dynamic")]):
            assert DynamicSupervisor.ref("dynamic").which_children() == []
            assert whereis("dynamic") is not None

    async def test_is_linked_and_stops(self) -> None:
        supervisor = await DynamicSupervisor.start_link(name="dynamic")
        info = process_info(self_())
        assert info is not None
        assert info.links == [supervisor.process]
        await supervisor.stop()

        assert whereis("dynamic") is None

    def test_has_the_usual_defaults(self) -> None:
        supervisor = DynamicSupervisor()

        assert (supervisor.max_restarts, supervisor.max_seconds) == (3, 5.0)
        assert (supervisor.max_children, supervisor.extra_arguments) == (None, ())

    def test_child_spec_is_of_a_supervisor(self) -> None:
        spec = DynamicSupervisor.child_spec(name="dynamic", restart="transient")

        assert (spec.id, spec.type, spec.shutdown) == ("dynamic", "supervisor", None)
        assert spec.restart == "transient"


class TestStartChild:
    async def test_starts_any_form_of_child(self) -> None:
        async with DynamicSupervisor() as supervisor:
            one = await supervisor.start_child(worker())
            two = await supervisor.start_child((Worker, self_()))
            three = await supervisor.start_child(forever)
            four = await supervisor.start_child(Supervisor([]))

            assert {i.process for i in supervisor.which_children()} == {
                one,
                two,
                three,
                four,
            }
            assert supervisor.count_children() == ChildCount(4, 4, 1, 3)
        await started()
        await started()

    async def test_takes_the_same_id_twice_and_shows_none(self) -> None:
        async with DynamicSupervisor() as supervisor:
            one = await supervisor.start_child(worker())
            two = await supervisor.start_child(worker())

            assert supervisor.which_children() == [
                ChildInfo(None, one, "worker", [Worker]),
                ChildInfo(None, two, "worker", [Worker]),
            ]
        await started()
        await started()

    @pytest.mark.usefixtures("crashes")
    async def test_puts_extra_arguments_first_also_on_a_restart(self) -> None:
        spec = ChildSpec("w", Worker.start_link, ("c",))
        extra = (self_(), "a", "b")
        async with DynamicSupervisor(extra_arguments=extra) as supervisor:
            process = await supervisor.start_child(spec)
            first = await receive(tuple)
            fastask.exit(process, "crash") if process else None
            second = await receive(tuple)

        assert first[2] == second[2] == ("a", "b", "c")

    async def test_forgets_one_that_ignores(self) -> None:
        class Unwilling(GenServer):
            def init(self) -> Ignore:
                return Ignore()

        async with DynamicSupervisor() as supervisor:
            assert await supervisor.start_child(Unwilling) is None
            assert supervisor.which_children() == []

    @pytest.mark.parametrize(
        ("result", "reason"),
        [(ValueError("boom"), ValueError), (42, tuple), (fastask.Exit("no"), str)],
    )
    async def test_that_fails_raises_and_forgets(
        self, result: Any, reason: type
    ) -> None:
        async with DynamicSupervisor() as supervisor:
            with pytest.raises(StartError) as caught:
                await supervisor.start_child(ChildSpec("x", attempts(result)))

            assert isinstance(caught.value.reason, reason)
            assert supervisor.count_children() == ChildCount(0, 0, 0, 0)

    @pytest.mark.parametrize("child", [42, "name", None, (), (42, 1), forever(), print])
    async def test_refuses_what_is_no_child_without_asking(self, child: Any) -> None:
        if hasattr(child, "close"):
            child.close()
        gone = DynamicSupervisor.ref("nobody")

        with pytest.raises(TypeError, match="a child must be"):
            await gone.start_child(child)

    async def test_refuses_a_significant_child(self) -> None:
        spec = child_spec(forever, significant=True)
        async with DynamicSupervisor() as supervisor:
            with pytest.raises(ValueError, match="significant must be False"):
                await supervisor.start_child(spec)

    async def test_of_a_supervisor_that_is_gone_raises(self) -> None:
        async with DynamicSupervisor() as supervisor:
            pass

        with pytest.raises(NoProcessError):
            await supervisor.start_child(forever)
        with pytest.raises(fastask.UnknownNameError):
            await DynamicSupervisor.ref("nobody").start_child(forever)

    async def test_raises_when_there_are_enough(self) -> None:
        async with DynamicSupervisor(max_children=0) as supervisor:
            with pytest.raises(MaxChildrenError, match="max_children is 0"):
                await supervisor.start_child(forever)


class TestRestart:
    @pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, (SHUTDOWN, "x")])
    async def test_of_a_transient_child_not_after_an_expected_end(
        self, reason: Any
    ) -> None:
        async with DynamicSupervisor() as supervisor:
            process = await supervisor.start_child(worker(restart="transient"))
            await started()
            assert process is not None
            ref = monitor(process)
            Worker.end(process, reason)
            await receive(ref)
            await supervisor.start_child(forever)  # it has had its turn

            assert supervisor.count_children().specs == 1

    @pytest.mark.usefixtures("crashes")
    @pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, (SHUTDOWN, "x"), "boom"])
    async def test_of_a_permanent_child_always(self, reason: Any) -> None:
        async with DynamicSupervisor() as supervisor:
            process = await supervisor.start_child(worker())
            assert await started() is process
            Worker.end(process, reason)
            again = await started()

            assert again is not process
            assert await Worker.ping(again) == "pong"
            assert [i.process for i in supervisor.which_children()] == [again]

    async def test_of_a_temporary_child_never(self) -> None:
        async with DynamicSupervisor(max_restarts=0) as supervisor:
            process = await supervisor.start_child(worker(restart="temporary"))
            assert await started() is process
            ref = monitor(process)
            Worker.end(process, "boom")
            await receive(ref)
            await supervisor.start_child(forever)

            assert supervisor.count_children().specs == 1

    @pytest.mark.usefixtures("crashes")
    async def test_is_tried_again_when_it_fails(self) -> None:
        start = attempts("ok", ValueError("first"), "ok")
        async with DynamicSupervisor() as supervisor:
            process = await supervisor.start_child(ChildSpec("x", start))
            fastask.exit(process, "crash") if process else None
            while supervisor.which_children()[0].process in (process, "restarting"):
                await fastask.sleep(0)

            assert supervisor.count_children() == ChildCount(1, 1, 0, 1)

    @pytest.mark.usefixtures("crashes")
    async def test_that_ignores_removes_the_child(self) -> None:
        async with DynamicSupervisor() as supervisor:
            spec = ChildSpec("x", attempts("ok", None))
            process = await supervisor.start_child(spec)
            fastask.exit(process, "crash") if process else None
            while supervisor.count_children().specs:
                await fastask.sleep(0)

            assert supervisor.which_children() == []

    @pytest.mark.usefixtures("crashes")
    async def test_too_often_ends_the_supervisor(self) -> None:
        trap_exit(True)
        supervisor = await DynamicSupervisor.start_link(max_restarts=2)
        other = await supervisor.start_child(forever)
        process = await supervisor.start_child(worker())
        for _ in range(3):
            Worker.end(await started(), "boom")
        exited = await receive(Exited)

        assert exited.reason == SHUTDOWN
        assert process is not None
        assert other is not None
        assert not other.alive

    @pytest.mark.usefixtures("crashes")
    async def test_that_fails_too_often_ends_the_supervisor(self) -> None:
        trap_exit(True)
        supervisor = await DynamicSupervisor.start_link()
        start = attempts("ok", ValueError("for ever"))
        process = await supervisor.start_child(ChildSpec("x", start))
        fastask.exit(process, "crash") if process else None

        assert (await receive(Exited)).reason == SHUTDOWN

    @pytest.mark.usefixtures("crashes")
    async def test_keeps_its_place(self) -> None:
        async with DynamicSupervisor(max_children=1) as supervisor:
            process = await supervisor.start_child(worker())
            assert await started() is process
            Worker.end(process, "boom")
            await started()

            with pytest.raises(MaxChildrenError):
                await supervisor.start_child(forever)


class TestTerminateChild:
    @pytest.mark.parametrize(
        ("shutdown", "reason"),
        [(BRUTAL_KILL, KILLED), (1.0, SHUTDOWN), (None, SHUTDOWN)],
    )
    async def test_stops_it_and_forgets_it(self, shutdown: Any, reason: str) -> None:
        async with DynamicSupervisor() as supervisor:
            process = await supervisor.start_child(worker(shutdown=shutdown))
            await started()
            assert process is not None
            ref = monitor(process)
            await supervisor.terminate_child(process)

            assert await receive(ref) == Down(ref, process, reason)
            assert supervisor.count_children() == ChildCount(0, 0, 0, 0)
            with pytest.raises(ChildNotFoundError):
                await supervisor.terminate_child(process)

    @pytest.mark.usefixtures("crashes")
    async def test_finds_one_that_is_being_restarted_by_its_last_process(self) -> None:
        start = attempts("ok", ValueError("for ever"))
        async with DynamicSupervisor(max_restarts=10**6) as supervisor:
            process = await supervisor.start_child(ChildSpec("x", start))
            assert process is not None
            fastask.exit(process, "crash")
            while [i.process for i in supervisor.which_children()] != ["restarting"]:
                await fastask.sleep(0)
            count = supervisor.count_children()
            await supervisor.terminate_child(process)

            assert count == ChildCount(specs=1, active=0, supervisors=0, workers=1)
            assert supervisor.which_children() == []

    @pytest.mark.parametrize("what", [None, "name", []])
    async def test_refuses_what_is_no_child(self, what: Any) -> None:
        async with DynamicSupervisor() as supervisor:
            with pytest.raises(ChildNotFoundError):
                await supervisor.terminate_child(what)


class TestStop:
    async def test_takes_as_long_as_the_slowest_child(self) -> None:
        supervisor = await DynamicSupervisor.start_link()
        for _ in range(10):
            await supervisor.start_child((Slow, 0.03))
        limit = fastask.async_nolink(fastask.sleep, 0.25)
        await supervisor.stop()

        assert await fastask.yield_(limit, 0) is None  # ten times 0.03 s are more
        await fastask.shutdown(limit)

    async def test_ends_each_child_in_its_own_way(self) -> None:
        supervisor = await DynamicSupervisor.start_link()
        ends: list[tuple[ChildSpec, Any]] = [
            (Slow.child_spec(0, shutdown=None), SHUTDOWN),
            (Slow.child_spec(None, shutdown=BRUTAL_KILL), KILLED),
            (Slow.child_spec(None, shutdown=0.01), KILLED),
            (Slow.child_spec(0, "own", shutdown=1), "own"),
            (child_spec(forever), SHUTDOWN),
        ]
        refs = []
        for spec, reason in ends:
            process = await supervisor.start_child(spec)
            assert process is not None
            refs.append((monitor(process), reason))
        await supervisor.stop()

        for ref, reason in refs:
            assert (await receive(ref)).reason == reason

    async def test_of_ten_thousand_children_is_no_matter(self) -> None:
        async with DynamicSupervisor() as supervisor:
            spec = child_spec(forever)
            processes = [await supervisor.start_child(spec) for _ in range(10_000)]

        assert not any(process.alive for process in processes if process)


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"max_children": -1}, ValueError, "max_children must be an integer >= 0"),
            ({"max_children": True}, TypeError, "max_children must be an integer >= 0"),
            ({"max_restarts": -1}, ValueError, "max_restarts must be an integer >= 0"),
            ({"max_seconds": -1}, ValueError, "max_seconds must be a number > 0"),
            ({"extra_arguments": 1}, TypeError, "extra_arguments must be a tuple"),
            ({"name": {}}, TypeError, "name must be hashable"),
        ],
    )
    def test_is_one_clear_error(
        self, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            DynamicSupervisor(**options)
