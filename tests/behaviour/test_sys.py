"""`fastask.sys`: look into a server, and hold it, while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NOPROC,
    Agent,
    Answer,
    CallError,
    CallTimeoutError,
    ChildInfo,
    DynamicSupervisor,
    Exited,
    GenCall,
    GenServer,
    PartitionSupervisor,
    Process,
    Registry,
    Supervisor,
    TaskSupervisor,
    monitor,
    process_info,
    receive,
    self_,
    send,
    spawn,
    sys,
)


def messages() -> list[Any]:
    """What lies in the mailbox of the calling process."""
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


async def running(start: Awaitable[Process[None] | None]) -> Process[None]:
    """Wait for a start that must succeed."""
    process = await start
    assert process is not None
    return process


class Counter(GenServer):
    """Counts calls, casts and messages."""

    def init(self) -> None:
        self.total = 0
        self.seen: list[Any] = []

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        self.seen.append(request)
        return request(self) if callable(request) else request

    def handle_cast(self, request: Any) -> Any:
        self.seen.append(request)
        return request(self) if callable(request) else None

    def handle_info(self, message: Any) -> None:
        self.seen.append(message)


Verb = Callable[..., Awaitable[Any]]

VERBS: list[tuple[Verb, tuple[Any, ...]]] = [
    (sys.get_state, ()),
    (sys.replace_state, (lambda state: state,)),
    (sys.suspend, ()),
    (sys.resume, ()),
    (sys.get_status, ()),
    (sys.statistics, ()),
    (sys.trace, (True,)),
    (sys.trace, (False,)),
    (sys.log, (True,)),
    (sys.log, ()),
    (sys.install, (lambda *_: None, None)),
    (sys.remove, ("hook",)),
]

each_verb = pytest.mark.parametrize(
    ("verb", "args"), VERBS, ids=[verb.__name__ for verb, _ in VERBS]
)


class TestEveryVerb:
    @each_verb
    async def test_of_nobody_is_noproc(self, verb: Verb, args: tuple[Any, ...]) -> None:
        """SYSX 354."""
        dead = await running(Counter.start_link())
        await GenServer.stop(dead)

        for dest in ("unknown", dead, None):
            with pytest.raises(CallError) as caught:
                await verb(dest, *args)
            assert caught.value.reason == NOPROC
        assert messages() == []

    @each_verb
    async def test_times_out_when_the_server_is_busy(
        self, verb: Verb, args: tuple[Any, ...]
    ) -> None:
        server = await running(Counter.start())

        async def wait(_: Counter) -> None:
            await asyncio.sleep(60)

        GenServer.cast(server, wait)
        ref = monitor(server)

        with pytest.raises(CallTimeoutError):
            await verb(server, *args, timeout=0.01)
        assert server.alive
        fastask.exit(server, KILL)
        await receive(ref)
        assert messages() == []

    @each_verb
    async def test_is_told_when_the_server_is_killed(
        self, verb: Verb, args: tuple[Any, ...]
    ) -> None:
        server = await running(Counter.start())
        me = self_()

        async def wait(_: Counter) -> None:
            send(me, "waiting")
            await asyncio.sleep(60)

        GenServer.cast(server, wait)
        await receive("waiting".__eq__)

        async def ask() -> None:
            await verb(server, *args)

        task = fastask.async_nolink(ask)
        await asyncio.sleep(0)
        fastask.exit(server, KILL)

        with pytest.raises(CallError) as caught:
            await task
        assert caught.value.reason == KILLED

    @each_verb
    async def test_works_while_suspended(
        self, verb: Verb, args: tuple[Any, ...]
    ) -> None:
        """SYSX 350."""
        server = await running(Counter.start_link())
        await sys.suspend(server)

        await verb(server, *args, timeout=1)
        await GenServer.stop(server)

    @each_verb
    async def test_of_a_process_that_is_oneself_is_calling_self(
        self, verb: Verb, args: tuple[Any, ...]
    ) -> None:
        with pytest.raises(CallError) as caught:
            await verb(self_(), *args)
        assert caught.value.reason == "calling_self"

    @each_verb
    async def test_does_not_count_as_a_message(
        self, verb: Verb, args: tuple[Any, ...]
    ) -> None:
        server = await running(Counter.start_link())

        await verb(server, *args)
        statistics = await sys.statistics(server)
        assert statistics is not None
        assert statistics.messages_in == 0
        await GenServer.stop(server)

    async def test_a_negative_time_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="timeout must be"):
            await sys.get_state("nobody", timeout=-1)

    async def test_a_plain_process_does_not_answer(self) -> None:
        async def idle() -> None:
            await receive(lambda message: False)

        process = spawn(idle)

        with pytest.raises(CallTimeoutError):
            await sys.get_state(process, timeout=0.01)
        ref = monitor(process)
        fastask.exit(process, KILL)
        await receive(ref)


class TestGetState:
    async def test_is_the_server_object_itself(self) -> None:
        """SYSX 348; api.md, Detail 16."""
        server = await running(Counter.start_link(name="counter"))

        state = await sys.get_state(server)
        assert isinstance(state, Counter)
        assert await sys.get_state("counter") is state
        assert await GenServer.call(server, lambda s: Answer(s)) is state
        await GenServer.stop(server)

    async def test_of_an_agent_is_its_value(self) -> None:
        agent = await running(Agent.start_link(lambda: {"a": 1}))

        assert await sys.get_state(agent) == {"a": 1}
        await Agent.stop(agent)

    async def test_of_a_supervisor_is_the_list_of_its_children(self) -> None:
        async with Supervisor([Counter]) as supervisor:
            state = await sys.get_state(supervisor.process)
            assert state == supervisor.which_children()
            assert [type(child) for child in state] == [ChildInfo]

    async def test_of_the_other_supervisors_is_such_a_list_too(self) -> None:
        async with DynamicSupervisor() as supervisor:
            child = await supervisor.start_child(Counter)
            (info,) = await sys.get_state(supervisor.process)
            assert info.process is child
        async with TaskSupervisor() as tasks:
            task = tasks.start_child(asyncio.sleep, 60)
            (info,) = await sys.get_state(tasks.process)
            assert info.process is task
        async with PartitionSupervisor(Counter, name="parts", partitions=2) as parts:
            assert len(await sys.get_state(parts.process)) == 2

    async def test_of_a_registry_is_answered(self) -> None:
        async with Registry(name="registry") as registry:
            await sys.get_state(registry.process)
            assert (await sys.get_status("registry")).status == "running"

    async def test_comes_after_what_was_sent_before(self) -> None:
        server = await running(Counter.start_link())
        GenServer.cast(server, "first")
        send(server, "second")

        assert (await sys.get_state(server)).seen == ["first", "second"]
        await GenServer.stop(server)


class TestReplaceState:
    async def test_changes_the_object_in_place(self) -> None:
        """SYSX 349."""
        server = await running(Counter.start_link())

        def change(state: Counter) -> Counter:
            state.total = 7
            return state

        new = await sys.replace_state(server, change)
        assert new.total == 7
        assert await GenServer.call(server, lambda s: s.total) == 7
        await GenServer.stop(server)

    async def test_may_put_another_object_there(self) -> None:
        server = await running(Counter.start_link())
        other = Counter()
        other.total, other.seen = 9, []

        assert await sys.replace_state(server, lambda _: other) is other
        assert await GenServer.call(server, lambda s: s.total) == 9
        assert await sys.get_state(server) is other
        await GenServer.stop(server)

    async def test_of_an_agent_is_its_value(self) -> None:
        agent = await running(Agent.start_link(lambda: 1))

        assert await sys.replace_state(agent, lambda value: value + 1) == 2
        assert await Agent.get(agent, lambda value: value) == 2
        await Agent.stop(agent)

    async def test_a_function_that_raises_raises_in_the_caller(self) -> None:
        """SYSX 349: and the server goes on as it was."""
        error = ValueError("boom")
        agent = await running(Agent.start_link(lambda: 1))

        def fail(_: Any) -> Any:
            raise error

        with pytest.raises(ValueError, match="boom") as caught:
            await sys.replace_state(agent, fail)
        assert caught.value is error
        assert await Agent.get(agent, lambda value: value) == 1
        await Agent.stop(agent)

    @pytest.mark.parametrize("state", [None, 5, GenServer()], ids=type)
    async def test_what_is_no_such_server_is_an_error(self, state: Any) -> None:
        server = await running(Counter.start_link())

        with pytest.raises(TypeError, match="function must return a Counter"):
            await sys.replace_state(server, lambda _: state)
        assert await GenServer.call(server, "alive") == "alive"
        await GenServer.stop(server)

    async def test_what_is_no_function_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="fn must be a function, got 5"):
            await sys.replace_state("nobody", 5)  # type: ignore[arg-type]


class TestSuspend:
    async def test_holds_calls_and_messages_until_resume(self) -> None:
        """SYSX 350."""
        server = await running(Counter.start_link())
        await sys.suspend(server)
        GenServer.cast(server, "cast")
        send(server, "info")
        with pytest.raises(CallTimeoutError):
            await GenServer.call(server, "call", 0.01)
        assert (await sys.get_state(server)).seen == []

        await sys.resume(server)
        assert await GenServer.call(server, "after") == "after"
        seen = (await sys.get_state(server)).seen
        assert seen == ["cast", "info", "call", "after"]
        assert messages() == []
        await GenServer.stop(server)

    async def test_and_resume_may_be_repeated(self) -> None:
        """SYSX 350."""
        server = await running(Counter.start_link())
        for verb in (sys.suspend, sys.suspend, sys.resume, sys.resume):
            await verb(server)

        assert await GenServer.call(server, "hello") == "hello"
        await GenServer.stop(server)

    async def test_a_call_that_still_waits_is_answered_after_resume(self) -> None:
        server = await running(Counter.start_link())
        await sys.suspend(server)

        async def ask() -> Any:
            return await GenServer.call(server, "waiting")

        task = fastask.async_(ask)
        await sys.get_state(server)
        assert await fastask.yield_(task, 0) is None
        await sys.resume(server)

        assert await task == "waiting"
        await GenServer.stop(server)

    async def test_replace_state_works_meanwhile(self) -> None:
        agent = await running(Agent.start_link(lambda: 1))
        await sys.suspend(agent)

        assert await sys.replace_state(agent, lambda value: value + 1) == 2
        await sys.resume(agent)
        assert await Agent.get(agent, lambda value: value) == 2
        await Agent.stop(agent)

    async def test_holds_the_idle_timeout(self) -> None:
        class Idle(Counter):
            def handle_cast(self, request: Any) -> Any:
                return fastask.IdleTimeout(0.005)

        server = await running(Idle.start_link())
        GenServer.cast(server, "idle")
        await sys.suspend(server)
        await asyncio.sleep(0.03)

        assert (await sys.get_state(server)).seen == []
        await GenServer.stop(server)

    async def test_a_trapped_exit_of_another_process_waits(self) -> None:
        server = await running(Counter.start_link())
        await GenServer.call(server, lambda _: fastask.trap_exit(True))
        await sys.replace_state(server, lambda s: s.seen.clear() or s)
        await sys.suspend(server)

        async def shoot() -> None:
            fastask.exit(server, "shot")

        shooter = spawn(shoot)
        await shooter
        assert (await sys.get_state(server)).seen == []
        await sys.resume(server)

        assert (await sys.get_state(server)).seen == [Exited(shooter, "shot")]
        await GenServer.stop(server)

    async def test_a_kill_ends_it_all_the_same(self) -> None:
        server = await running(Counter.start())
        await sys.suspend(server)
        ref = monitor(server)
        fastask.exit(server, KILL)

        assert (await receive(ref)).reason == KILLED


class TestGetStatus:
    async def test_tells_what_a_server_is_and_does(self) -> None:
        """SYSX 352."""
        server = await running(Counter.start_link())

        status = await sys.get_status(server)
        assert (status.process, status.module) == (server, Counter)
        assert (status.status, status.parent) == ("running", self_())
        assert status.state is await sys.get_state(server)
        await sys.suspend(server)
        assert (await sys.get_status(server)).status == "suspended"
        await GenServer.stop(server)
