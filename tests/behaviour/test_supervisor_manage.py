"""What a running supervisor is asked: to add, stop, restart, forget, list children."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    SHUTDOWN,
    AlreadyStartedError,
    ChildCount,
    ChildInfo,
    ChildNotFoundError,
    ChildSpec,
    Exited,
    GenServer,
    Ignore,
    NoProcessError,
    Process,
    StartError,
    Stop,
    Supervisor,
    UnknownNameError,
    child_spec,
    monitor,
    receive,
    receive_nowait,
    self_,
    send,
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
        return answer() if callable(answer) else answer

    def handle_cast(self, request: Any) -> Any:
        return request

    def terminate(self, reason: Any) -> None:
        send(self.teller, ("stop", self.name, reason))


def worker(name: str, answer: Any = None, **options: Any) -> ChildSpec:
    return Worker.child_spec(self_(), name, answer, id=name, name=name, **options)


def told() -> list[Any]:
    """What workers have told the calling process."""
    found = []
    while (message := receive_nowait(tuple, default=None)) is not None:
        found.append(message)
    return found


def at(name: str) -> Process[Any]:
    """The process that has the name."""
    process = whereis(name)
    assert process is not None
    return process


def ids(supervisor: Supervisor) -> list[Any]:
    return [info.id for info in supervisor.which_children()]


async def idle(*args: object) -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


class Pool(Supervisor):
    def __init__(self, *names: str) -> None:
        super().__init__([(Idle, name) for name in names[:1]])


class Idle(GenServer):
    def init(self, *args: Any) -> None:
        """Take anything."""


class TestLifeCycle:
    async def test_of_a_child(self) -> None:
        async with Supervisor([]) as supervisor:
            first = await supervisor.start_child(worker("a"))
            assert first is at("a")
            with pytest.raises(AlreadyStartedError) as caught:
                await supervisor.delete_child("a")
            assert caught.value.process is first

            await supervisor.terminate_child("a")
            assert first is not None
            assert not first.alive
            assert supervisor.which_children() == [
                ChildInfo("a", None, "worker", [Worker])
            ]

            second = await supervisor.restart_child("a")
            assert second is at("a")
            assert second is not first
            await supervisor.terminate_child("a")
            await supervisor.delete_child("a")
            assert supervisor.which_children() == []
            assert told() == [("start", "a"), ("stop", "a", SHUTDOWN)] * 2

            assert await supervisor.start_child(worker("a")) is at("a")

    async def test_a_child_is_stopped_when_terminate_child_returns(self) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            child = at("a")
            await supervisor.terminate_child("a")
            assert not child.alive
            assert whereis("a") is None

    async def test_terminating_twice_is_no_error(self) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            await supervisor.terminate_child("a")
            await supervisor.terminate_child("a")
            assert ids(supervisor) == ["a"]

    async def test_a_temporary_child_is_forgotten_when_terminated(self) -> None:
        async with Supervisor([worker("a", restart="temporary")]) as supervisor:
            await supervisor.terminate_child("a")
            assert supervisor.which_children() == []
            with pytest.raises(ChildNotFoundError):
                await supervisor.terminate_child("a")

    async def test_a_child_that_has_ended_can_be_restarted(self) -> None:
        async with Supervisor([worker("a", restart="transient")]) as supervisor:
            await GenServer.stop("a")
            assert await supervisor.restart_child("a") is at("a")

    async def test_a_restart_by_hand_does_not_count(self) -> None:
        async with Supervisor([worker("a")], max_restarts=0) as supervisor:
            for _ in range(3):
                await supervisor.terminate_child("a")
                await supervisor.restart_child("a")
            assert whereis("a") is not None

    async def test_a_restart_that_fails_leaves_it_stopped(self) -> None:
        answers = [None, Stop("no"), None]
        async with Supervisor([worker("a", lambda: answers.pop(0))]) as supervisor:
            await supervisor.terminate_child("a")
            with pytest.raises(StartError) as caught:
                await supervisor.restart_child("a")
            assert (caught.value.child_id, caught.value.reason) == ("a", "no")
            assert supervisor.count_children() == ChildCount(1, 0, 0, 1)
            assert await supervisor.restart_child("a") is at("a")

    async def test_a_restart_that_ignores_returns_none(self) -> None:
        answers = [None, Ignore()]
        async with Supervisor([worker("a", lambda: answers.pop(0))]) as supervisor:
            await supervisor.terminate_child("a")
            assert await supervisor.restart_child("a") is None
            assert ids(supervisor) == ["a"]


class TestStartChild:
    @pytest.mark.parametrize(
        ("child", "id", "type"),
        [
            (Idle, Idle, "worker"),
            ((Idle, 1, 2), Idle, "worker"),
            (Idle.child_spec(id="x"), "x", "worker"),
            (idle, "idle", "worker"),
            ((idle, 1), "idle", "worker"),
            (child_spec(idle, 1), "idle", "worker"),
            (Pool, Pool, "supervisor"),
            ((Pool, "a"), Pool, "supervisor"),
            (Pool.child_spec("a", id="pool"), "pool", "supervisor"),
            (fastask.Every(60, idle), "idle", "worker"),
            (fastask.Cron("0 0 1 1 *", idle), "idle", "worker"),
        ],
    )
    async def test_takes_every_form(self, child: Any, id: Any, type: str) -> None:
        async with Supervisor([]) as supervisor:
            process = await supervisor.start_child(child)

            [info] = supervisor.which_children()
            assert (info.id, info.process, info.type) == (id, process, type)
            assert isinstance(process, Process)
            assert process.alive

    @pytest.mark.parametrize("name", [None, "inner"])
    async def test_takes_a_supervisor(self, name: str | None) -> None:
        inner = Supervisor([worker("a")], name=name)
        async with Supervisor([]) as supervisor:
            process = await supervisor.start_child(inner)

            assert process is inner.process
            assert supervisor.which_children() == [
                ChildInfo(name or Supervisor, process, "supervisor", [Supervisor])
            ]

    async def test_takes_other_supervisors(self) -> None:
        async with Supervisor([]) as supervisor:
            children: list[Any] = [fastask.DynamicSupervisor(), fastask.TaskSupervisor]
            for child in children:
                assert await supervisor.start_child(child) is not None
            assert supervisor.count_children() == ChildCount(2, 2, 2, 0)

    async def test_returns_none_when_the_child_ignores(self) -> None:
        async with Supervisor([]) as supervisor:
            assert await supervisor.start_child(worker("a", Ignore())) is None
            assert await supervisor.start_child(ChildSpec("b", lambda: None)) is None
            assert ids(supervisor) == ["b", "a"]

    async def test_a_temporary_child_that_ignores_is_not_kept(self) -> None:
        async with Supervisor([]) as supervisor:
            ignoring = worker("a", Ignore(), restart="temporary")
            assert await supervisor.start_child(ignoring) is None
            assert supervisor.which_children() == []

    async def test_of_a_known_id(self) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            with pytest.raises(AlreadyStartedError, match="'a'") as caught:
                await supervisor.start_child(worker("a"))
            assert caught.value.process is at("a")

            await supervisor.terminate_child("a")
            with pytest.raises(AlreadyStartedError, match="stopped") as caught:
                await supervisor.start_child(worker("a"))
            assert caught.value.process is None

    async def test_of_a_name_that_is_taken(self) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            again = dataclasses.replace(worker("a"), id="b")
            with pytest.raises(AlreadyStartedError) as caught:
                await supervisor.start_child(again)
            assert caught.value.process is at("a")
            assert ids(supervisor) == ["a"]

    async def test_that_fails(self) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            error = ValueError("boom")
            with pytest.raises(StartError) as caught:
                await supervisor.start_child(worker("b", error))
            assert (caught.value.child_id, caught.value.reason) == ("b", error)
            assert ids(supervisor) == ["a"]
            assert whereis("a") is not None

    async def test_that_fails_has_the_exception_as_its_cause(self) -> None:
        async with Supervisor([]) as supervisor:
            error = ValueError("boom")
            with pytest.raises(StartError) as caught:
                await supervisor.start_child(worker("b", error))
            assert caught.value.__cause__ is error

    async def test_that_returns_garbage(self) -> None:
        async with Supervisor([]) as supervisor:
            with pytest.raises(StartError) as caught:
                await supervisor.start_child(ChildSpec("bad", lambda: 5))
            assert caught.value.reason == ("bad_return_value", 5)
            assert supervisor.which_children() == []

    async def test_of_a_supervisor_whose_child_fails(self) -> None:
        async with Supervisor([]) as supervisor:
            inner = Supervisor([worker("a", Stop("no"))], name="inner")
            with pytest.raises(StartError) as caught:
                await supervisor.start_child(inner)
            assert caught.value.child_id == "inner"
            assert caught.value.reason == (
                SHUTDOWN,
                ("failed_to_start_child", "a", "no"),
            )

    @pytest.mark.parametrize("child", [None, 42, "a", (), (1, 2), object, len])
    async def test_of_no_child(self, child: Any) -> None:
        async with Supervisor([]) as supervisor:
            with pytest.raises(TypeError, match="a child must be"):
                await supervisor.start_child(child)
            assert supervisor.which_children() == []

    async def test_of_a_significant_child_where_that_means_nothing(self) -> None:
        async with Supervisor([]) as supervisor:
            with pytest.raises(ValueError, match="significant must be False"):
                await supervisor.start_child(
                    worker("a", restart="transient", significant=True)
                )
            assert told() == []


class TestErrors:
    @pytest.mark.parametrize("id", ["nobody", None, [], 5])
    @pytest.mark.parametrize(
        "verb",
        [Supervisor.terminate_child, Supervisor.restart_child, Supervisor.delete_child],
    )
    async def test_an_unknown_id(
        self, verb: Callable[..., Awaitable[Any]], id: Any
    ) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            with pytest.raises(ChildNotFoundError, match="no child has the id"):
                await verb(supervisor, id)
            assert supervisor.count_children().active == 1

    async def test_restarting_one_that_runs(self) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            with pytest.raises(AlreadyStartedError, match="runs") as caught:
                await supervisor.restart_child("a")
            assert caught.value.process is at("a")

    @pytest.mark.parametrize("kind", ["ended", "not started", "killed"])
    async def test_a_supervisor_that_does_not_run(self, kind: str) -> None:
        trap_exit(True)
        supervisor = Supervisor([])
        if kind != "not started":
            async with supervisor:
                if kind == "killed":
                    fastask.exit(supervisor.process, KILL)
                    await receive(Exited)

        for ask in (
            supervisor.start_child(worker("a")),
            supervisor.terminate_child("a"),
            supervisor.restart_child("a"),
            supervisor.delete_child("a"),
        ):
            with pytest.raises(NoProcessError):
                await ask
        with pytest.raises(NoProcessError):
            supervisor.which_children()
        with pytest.raises(NoProcessError):
            supervisor.count_children()

    async def test_a_supervisor_that_is_killed_meanwhile(self) -> None:
        parent = self_()

        async def start() -> None:
            send(parent, ("waiting",))
            await idle()

        trap_exit(True)
        supervisor = await Supervisor.start_link([])
        asking = fastask.async_nolink(supervisor.start_child, ChildSpec("slow", start))
        assert await receive(tuple) == ("waiting",)
        fastask.exit(supervisor.process, KILL)

        with pytest.raises(NoProcessError):
            await asking
        await receive(Exited)


class TestWhichChildren:
    async def test_lists_the_last_first(self) -> None:
        inner = Supervisor([], name="inner")
        async with Supervisor([worker("a"), inner, idle]) as supervisor:
            await supervisor.start_child(worker("b"))

            infos = supervisor.which_children()
            assert [(i.id, i.type) for i in infos] == [
                ("b", "worker"),
                ("idle", "worker"),
                ("inner", "supervisor"),
                ("a", "worker"),
            ]
            assert infos[0].process is at("b")
            assert infos[2].process is inner.process
            assert [info.modules for info in infos[::2]] == [[Worker], [Supervisor]]

    async def test_keeps_the_order_over_restarts(self) -> None:
        async with Supervisor([worker(name) for name in "abc"]) as supervisor:
            ref = monitor(at("a"))
            GenServer.cast("a", Stop("crash"))
            await receive(ref)
            await supervisor.terminate_child("b")
            await supervisor.restart_child("b")

            assert ids(supervisor) == ["c", "b", "a"]
            assert supervisor.count_children().active == 3

    async def test_is_what_sys_get_state_shows(self) -> None:
        """api.md, Detail 16."""
        async with Supervisor([worker("a")]) as supervisor:
            assert supervisor.process is not None
            state = await fastask.sys.get_state(supervisor.process)
            assert state == supervisor.which_children()

    async def test_counts(self) -> None:
        children = [worker("a"), worker("b"), (Pool, "x"), worker("c", Ignore())]
        async with Supervisor(children) as supervisor:
            assert supervisor.count_children() == ChildCount(4, 3, 1, 3)
            await supervisor.terminate_child("a")
            assert supervisor.count_children() == ChildCount(4, 2, 1, 3)


class TestRef:
    async def test_reaches_one_by_name(self) -> None:
        async with Supervisor([], name="top") as supervisor:
            ref = Supervisor.ref("top")
            assert ref.process is supervisor.process
            assert await ref.start_child(worker("a")) is at("a")
            assert ref.which_children() == supervisor.which_children()
            assert ref.count_children() == ChildCount(1, 1, 0, 1)
            await ref.terminate_child("a")
            assert await ref.restart_child("a") is at("a")
            await ref.terminate_child("a")
            await ref.delete_child("a")

    async def test_is_looked_up_at_every_use(self) -> None:
        ref = Supervisor.ref("top")
        assert ref.process is None
        for _ in range(2):
            with pytest.raises(UnknownNameError, match="'top'"):
                ref.which_children()
            async with Supervisor([], name="top"):
                assert ref.which_children() == []
        for ask in (ref.start_child(worker("a")), ref.terminate_child(1), ref.stop()):
            with pytest.raises(UnknownNameError, match="'top'"):
                await ask

    async def test_cannot_be_started(self) -> None:
        with pytest.raises(TypeError, match="cannot be started"):
            async with Supervisor.ref("top"):
                raise AssertionError("not reached")

    async def test_of_something_else(self) -> None:
        server = await Idle.start(name="server")
        assert server is not None
        ref = Supervisor.ref("server")
        with pytest.raises(TypeError, match="must be a Supervisor"):
            ref.which_children()
        with pytest.raises(TypeError, match="must be a Supervisor"):
            await ref.start_child(worker("a"))
        await GenServer.stop(server)
