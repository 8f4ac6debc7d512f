"""Starting a server: its name, its starter, and its child specification."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    Address,
    AlreadyStartedError,
    ChildSpec,
    Exited,
    GenCall,
    GenServer,
    NameTakenError,
    Process,
    Via,
    link,
    monitor,
    process_info,
    receive,
    self_,
    send,
    spawn_monitor,
    trap_exit,
    whereis,
)


def links() -> list[Process[Any]]:
    """The links of the calling process."""
    info = process_info(self_())
    assert info is not None
    return list(info.links)


def left_behind() -> tuple[list[Any], list[Process[Any]], list[Any]]:
    """Messages, links and monitors of the calling process."""
    info = process_info(self_())
    assert info is not None
    return list(info.messages), list(info.links), list(info.monitors)


async def running(start: Awaitable[Process[None] | None]) -> Process[None]:
    """Wait for a start that must succeed."""
    process = await start
    assert process is not None
    return process


async def ended(process: Process[Any]) -> Any:
    """Wait for the end of a process and return its reason."""
    return (await receive(monitor(process))).reason


async def begin(kind: type[GenServer], link: bool, *args: Any, **options: Any) -> Any:
    """Start a server in one of the two ways."""
    if link:
        return await kind.start_link(*args, **options)
    return await kind.start(*args, **options)


each_start = pytest.mark.parametrize("link", [True, False], ids=["link", "nolink"])
each_trap = pytest.mark.parametrize("trap", [True, False], ids=["trap", "die"])


class Answering(GenServer):
    """Its `init` tells that it runs, and gives the answer that it is given."""

    def init(self, parent: Process[Any], answer: Any) -> Any:
        self.seen: list[Any] = []
        send(parent, ("init", self_()))
        return answer

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        return (request, self.seen)

    def handle_info(self, message: Any) -> None:
        self.seen.append(message)

    def handle_continue(self, argument: Any) -> None:
        self.seen.append(("continue", argument))

    def terminate(self, reason: Any) -> None:
        self.seen.append(reason)
        raise AssertionError("terminate must not run")


class Echo(GenServer):
    """Starts as it is."""

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        return request


class Slow(GenServer):
    """Its `init` never returns."""

    async def init(self, parent: Process[Any]) -> None:
        send(parent, self_())
        await receive(lambda message: False)


class Directory(Via):
    """A via of our own: names in a dict."""

    entries: dict[str, Process[Any]]

    def __init__(self, entries: dict[str, Process[Any]], key: str) -> None:
        self.entries = entries
        self.key = key

    def whereis(self) -> Process[Any] | None:
        found = self.entries.get(self.key)
        return found if found is not None and found.alive else None

    def register(self, process: Process[Any]) -> None:
        holder = self.whereis()
        if holder is not None:
            raise NameTakenError("taken", process=holder)
        self.entries[self.key] = process


class TestName:
    async def test_a_named_server_is_called_by_its_name(self) -> None:
        """GENS 307."""
        process = await running(Echo.start_link(name="echo"))

        assert whereis("echo") is process
        assert process.name == "echo"
        assert await GenServer.call("echo", 1) == 1
        await GenServer.stop("echo")
        assert whereis("echo") is None

    async def test_none_is_no_name(self) -> None:
        """GENS 312."""
        process = await running(Echo.start_link(name=None))

        assert process.name is None
        await GenServer.stop(process)

    async def test_the_name_is_there_before_init_runs(self) -> None:
        """GENS 323."""

        class Named(GenServer):
            def init(self, parent: Process[Any]) -> None:
                send(parent, (whereis("named"), self_()))

        process = await running(Named.start_link(self_(), name="named"))

        assert await receive() == (process, process)
        await GenServer.stop(process)

    @each_start
    @each_trap
    async def test_a_taken_name_raises_and_init_does_not_run(
        self, link: bool, trap: bool
    ) -> None:
        trap_exit(trap)
        holder = await running(Echo.start(name="taken"))

        with pytest.raises(AlreadyStartedError) as caught:
            await begin(Answering, link, self_(), None, name="taken")
        assert caught.value.process is holder
        assert left_behind() == ([], [], [])
        await GenServer.stop(holder)

    @pytest.mark.parametrize("name", [1, ("a", 1), frozenset("a")], ids=repr)
    async def test_any_hashable_is_a_name(self, name: Any) -> None:
        process = await running(Echo.start_link(name=name))

        assert await GenServer.call(name, "hello") == "hello"
        await GenServer.stop(process)

    @pytest.mark.parametrize("name", [[], {}, set()], ids=repr)
    async def test_a_name_that_is_not_hashable_is_an_error(self, name: Any) -> None:
        """GENS 304."""
        with pytest.raises(TypeError, match="name must be hashable, got"):
            await Echo.start_link(name=name)
        assert left_behind() == ([], [], [])

    async def test_a_process_or_an_address_is_no_name(self) -> None:
        """GENS 304."""
        for name in (self_(), fastask.make_ref(), Address("a", fastask.node())):
            with pytest.raises(ValueError, match="name must not be"):
                await Echo.start_link(name=name)
        assert left_behind() == ([], [], [])

    async def test_a_via_works_for_start_and_call(self) -> None:
        """GENS 305."""
        entries: dict[str, Process[Any]] = {}
        via = Directory(entries, "a")
        process = await running(Echo.start_link(name=via))

        assert entries == {"a": process}
        assert await GenServer.call(via, 3) == 3
        await GenServer.stop(via)

    async def test_a_via_that_is_taken_raises(self) -> None:
        via = Directory({}, "a")
        holder = await running(Echo.start_link(name=via))

        with pytest.raises(AlreadyStartedError) as caught:
            await Answering.start_link(self_(), None, name=via)
        assert caught.value.process is holder
        assert left_behind() == ([], [holder], [])
        await GenServer.stop(holder)

    async def test_a_via_that_raises_leaves_nothing(self) -> None:
        class Broken(Directory):
            def register(self, process: Process[Any]) -> None:
                raise KeyError("broken")

        with pytest.raises(KeyError, match="broken"):
            await Answering.start_link(self_(), None, name=Broken({}, "a"))
        assert left_behind() == ([], [], [])


class TestStarter:
    async def test_one_that_ends_takes_a_slow_linked_start_with_it(self) -> None:
        """api.md, Detail 15."""

        async def starter(parent: Process[Any]) -> None:
            await Slow.start_link(parent)

        process, ref = spawn_monitor(starter, self_())
        starting = await receive(Process)
        down = monitor(starting)
        fastask.exit(process, "enough")

        assert (await receive(ref)).reason == "enough"
        assert (await receive(down)).reason == "enough"

    async def test_one_that_is_killed_takes_it_with_it(self) -> None:
        async def starter(parent: Process[Any]) -> None:
            await Slow.start_link(parent)

        process, ref = spawn_monitor(starter, self_())
        starting = await receive(Process)
        down = monitor(starting)
        fastask.exit(process, KILL)

        assert (await receive(ref)).reason == KILLED
        assert (await receive(down)).reason == KILLED

    async def test_one_that_is_cancelled_leaves_no_process(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await Slow.start_link(self_(), name="slow")
        process = await receive(Process)
        await ended(process)

        assert whereis("slow") is None
        assert left_behind() == ([], [], [])

    async def test_a_server_outlives_a_normal_end_of_its_starter(self) -> None:
        async def starter() -> Process[None] | None:
            return await Echo.start_link()

        process = await running(fastask.spawn(starter))

        assert await GenServer.call(process, 1) == 1
        await GenServer.stop(process)

    async def test_a_crash_of_the_server_ends_the_starter(self) -> None:
        async def starter(parent: Process[Any]) -> None:
            send(parent, await Echo.start_link())
            await receive(lambda message: False)

        _, ref = spawn_monitor(starter, self_())
        process = await receive(Process)
        await GenServer.stop(process, "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_it_is_the_first_ancestor(self) -> None:
        """GENS 347."""
        process = await running(Echo.start_link())

        info = process_info(process)
        assert info is not None
        assert info.ancestors[0] is self_()
        status = await fastask.sys.get_status(process)
        assert status.parent is self_()
        await GenServer.stop(process)

    async def test_a_server_without_a_link_has_no_parent(self) -> None:
        """GENS 347: in Elixir it is its own parent."""
        process = await running(Echo.start())

        assert (await fastask.sys.get_status(process)).parent is None
        await GenServer.stop(process)

    async def test_gather_starts_several_linked_to_the_caller(self) -> None:
        servers = await asyncio.gather(Echo.start_link(), Echo.start_link())

        assert links() == list(servers)
        for server in servers:
            await GenServer.stop(server)

    async def test_an_adopted_task_starts_a_server(self) -> None:
        async def work() -> Any:
            process = await running(Echo.start_link())
            value = await GenServer.call(process, 5)
            await GenServer.stop(process)
            return value

        assert await asyncio.create_task(work()) == 5

    async def test_a_trapping_one_gets_exits_only_after_the_start(self) -> None:
        trap_exit(True)
        process = await running(Echo.start_link())
        await GenServer.stop(process, "boom")

        assert await receive() == Exited(process, "boom")

    def test_without_a_loop_is_an_error(self) -> None:
        with pytest.raises(RuntimeError):
            _ = Echo.start_link()


class TestChildSpec:
    async def test_has_the_defaults_of_a_worker(self) -> None:
        """GENS 303."""
        spec = Echo.child_spec(1, 2)

        assert isinstance(spec, ChildSpec)
        assert (spec.id, spec.args, spec.restart) == (Echo, (1, 2), "permanent")
        assert (spec.shutdown, spec.type, spec.significant) == (5.0, "worker", False)

    async def test_starts_the_server_linked(self) -> None:
        spec = Answering.child_spec(self_(), None)
        process = await spec.start(*spec.args)

        assert await receive() == ("init", process)
        assert links() == [process]
        fastask.unlink(process)
        fastask.exit(process, KILL)
        await ended(process)

    async def test_respects_overrides(self) -> None:
        """GENS 303."""
        spec = Echo.child_spec(id="mine", restart="transient", shutdown=1.0)
        other = dataclasses.replace(Echo.child_spec(), id="other")

        assert (spec.id, spec.restart, spec.shutdown) == ("mine", "transient", 1.0)
        assert other.id == "other"

    async def test_a_class_that_overrides_it_is_asked(self) -> None:
        class Mine(Echo):
            @classmethod
            def child_spec(cls, *args: Any, **options: Any) -> ChildSpec:
                return super().child_spec(*args, id="custom", **options)

        async with fastask.Supervisor([Mine]) as supervisor:
            assert [c.id for c in supervisor.which_children()] == ["custom"]

    async def test_a_supervisor_starts_the_class(self) -> None:
        async with fastask.Supervisor([Echo]) as supervisor:
            (child,) = supervisor.which_children()
            assert child.id is Echo
            assert await GenServer.call(child.process, 1) == 1

    async def test_links_are_as_for_any_process(self) -> None:
        process = await running(Echo.start())
        link(process)

        assert links() == [process]
        await GenServer.stop(process)
