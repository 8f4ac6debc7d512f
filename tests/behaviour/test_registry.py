"""`Registry`: processes under keys, one or many under each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    SHUTDOWN,
    Agent,
    AlreadyStartedError,
    CallError,
    Exited,
    GenServer,
    NameTakenError,
    Process,
    Registry,
    Supervisor,
    UnknownNameError,
    monitor,
    process_info,
    receive,
    receive_nowait,
    self_,
    send,
    spawn,
    trap_exit,
    whereis,
)

BOTH = pytest.mark.parametrize("keys", ["unique", "duplicate"])


async def hold(registry: Registry, key: Any, value: Any, parent: Process[Any]) -> None:
    """Register, tell, and do what one is told."""
    registry.register(key, value)
    send(parent, self_())
    while True:
        match await receive():
            case Exited() as exited:
                send(parent, exited)
            case fn:
                send(parent, (fn(),))


async def holder(registry: Registry, key: Any, value: Any = None) -> Process[Any]:
    """Start a process that is registered."""
    spawn(hold, registry, key, value, self_())
    process = await receive(Process)
    assert isinstance(process, Process)
    return process


async def do(process: Process[Any], fn: Callable[[], Any]) -> Any:
    """Have a holder call a function."""
    send(process, fn)
    (value,) = await receive(tuple)
    return value


async def end(process: Process[Any], reason: Any = KILL) -> None:
    ref = monitor(process)
    fastask.exit(process, reason)
    await receive(ref)


def links() -> list[Process[Any]]:
    info = process_info(self_())
    assert info is not None
    return info.links


@BOTH
class TestAnyRegistry:
    async def test_begins_empty(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            assert registry.count() == 0
            assert registry.keys() == []
            assert registry.lookup("key") == []
            assert registry.select() == []

    async def test_finds_who_is_registered(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            process = await holder(registry, "key", "value")

            assert registry.lookup("key") == [(process, "value")]
            assert registry.keys(process) == ["key"]
            assert registry.values("key", process) == ["value"]
            assert registry.count() == 1
            await end(process)

    async def test_forgets_who_has_ended_at_once(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            process = await holder(registry, "key")
            fastask.exit(process, KILL)

            assert registry.lookup("key") == []
            assert registry.count() == 0
            assert registry.keys(process) == []
            registry.register("key")
            registry.unregister("key")

    async def test_keeps_nothing_of_who_has_ended(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            for number in range(10):
                await end(await holder(registry, number))
            server = await fastask.sys.get_state(registry)

            assert server == []
            assert registry.process is not None
            info = process_info(registry.process)
            assert info is not None
            assert info.links == [self_()]

    async def test_takes_keys_strictly(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            for key in (1, 1.0, True, (1, "a"), (1.0, "a"), None):
                registry.register(key, repr(key))
            found = [
                registry.lookup(key)[0][1] for key in (1, 1.0, True, (1, "a"), None)
            ]
            for own in list(registry.keys()):
                registry.unregister(own)

        assert found == ["1", "1.0", "True", "(1, 'a')", "None"]

    async def test_unregister_removes_own_entries_only(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            process = await holder(registry, "key")
            registry.unregister("key")
            registry.unregister("other")

            assert registry.lookup("key") == [(process, None)]
            await do(process, lambda: registry.unregister("key"))
            assert registry.lookup("key") == []
            await end(process)

    async def test_links_its_registrants_while_they_have_a_key(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            process = await holder(registry, "one")
            await do(process, lambda: registry.register("two"))

            assert await do(process, links) == [registry.process]
            await do(process, lambda: registry.unregister("one"))
            assert await do(process, links) == [registry.process]
            await do(process, lambda: registry.unregister("two"))
            assert await do(process, links) == []
            await end(process)

    async def test_leaves_a_link_that_was_there(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            registry.register("key")
            registry.unregister("key")

            assert links() == [registry.process]

    async def test_takes_its_registrants_along_when_it_crashes(self, keys: Any) -> None:
        trap_exit(True)
        registry = await Registry.start_link(keys)
        process = await holder(registry, "key")
        ref = monitor(process)
        assert registry.process is not None
        fastask.exit(registry.process, KILL)

        assert (await receive(ref)).reason == fastask.KILLED
        await receive(Exited)

    async def test_takes_its_registrants_along_when_it_stops(self, keys: Any) -> None:
        registry = await Registry.start_link(keys)
        process = await holder(registry, "key")
        ref = monitor(process)
        await registry.stop()

        assert (await receive(ref)).reason == SHUTDOWN

    async def test_tells_registrants_that_trap(self, keys: Any) -> None:
        registry = await Registry.start_link(keys)
        process = await holder(registry, "key")
        await do(process, lambda: trap_exit(True))
        where = registry.process
        await registry.stop()

        assert await receive(Exited) == Exited(where, SHUTDOWN)
        await end(process)

    async def test_leaves_its_caller_alone_on_the_way_out(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            registry.register("key")

        assert links() == []
        assert receive_nowait(default=None) is None

    async def test_selects_by_key_process_and_value(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            process = await holder(registry, "a", 1)
            registry.register("b", 2)

            assert registry.select() == [("a", process, 1), ("b", self_(), 2)]
            assert registry.select(lambda key, p, value: value > 1) == [
                ("b", self_(), 2)
            ]
            assert registry.match("a", lambda value: value == 1) == [(process, 1)]
            assert registry.match("a", lambda value: value == 2) == []
            assert registry.count_match("a", lambda value: value == 1) == 1
            await end(process)

    async def test_unregister_match_removes_what_fits(self, keys: Any) -> None:
        async with Registry(keys) as registry:
            registry.register("key", 1)
            registry.unregister_match("key", lambda value: value == 2)
            assert registry.values("key") == [1]
            registry.unregister_match("key", lambda value: value == 1)

            assert registry.values("key") == []

    async def test_dispatches_in_the_caller(self, keys: Any) -> None:
        seen: list[Any] = []
        async with Registry(keys) as registry:
            one = await holder(registry, "key", 1)
            other = await holder(registry, "other", 2)
            registry.dispatch("key", lambda entries: seen.append((self_(), entries)))
            registry.dispatch("nobody", seen.append)

            assert seen == [(self_(), [(one, 1)])]
            with pytest.raises(ZeroDivisionError):
                registry.dispatch("key", lambda entries: 1 // 0)
            await end(one)
            await end(other)

    async def test_of_an_unknown_name_raises(self, keys: Any) -> None:
        registry: Any = Registry.ref("nobody")
        for verb in (
            registry.register,
            registry.unregister,
            registry.lookup,
            registry.keys,
            registry.meta,
        ):
            with pytest.raises(UnknownNameError):
                verb("key")
        with pytest.raises(UnknownNameError):
            await registry.lock("key", list)


class TestUnique:
    async def test_refuses_a_second_registration(self) -> None:
        async with Registry() as registry:
            process = await holder(registry, "key", 1)
            with pytest.raises(NameTakenError) as caught:
                registry.register("key", 2)

            assert caught.value.process is process
            assert registry.keys() == []
            assert registry.lookup("key") == [(process, 1)]
            assert links() == [registry.process]  # that of the start
            await end(process)

    async def test_refuses_oneself_too(self) -> None:
        async with Registry() as registry:
            registry.register("key")
            with pytest.raises(NameTakenError):
                registry.register("key")
            registry.unregister("key")

    async def test_updates_a_value_of_ones_own(self) -> None:
        async with Registry() as registry:
            process = await holder(registry, "theirs", 1)
            registry.register("mine", 1)

            assert registry.update_value("mine", lambda value: value + 1) == (2, 1)
            assert registry.values("mine") == [2]
            for key in ("theirs", "nobodys"):
                with pytest.raises(LookupError, match="is not registered under"):
                    registry.update_value(key, lambda value: 1 // 0)
            registry.unregister("mine")
            await end(process)


class TestVia:
    async def test_names_a_process_that_starts(self) -> None:
        async with Registry(name="registry") as registry:
            await Agent.start_link(lambda: 1, name=registry.via("key", "value"))
            found = Registry.ref("registry").via("key")
            await Agent.update(found, lambda n: n + 1)

            assert await Agent.get(found, lambda n: n) == 2
            assert registry.lookup("key") == [(whereis(found), "value")]
            with pytest.raises(AlreadyStartedError) as caught:
                await Agent.start_link(lambda: 1, name=registry.via("key"))
            assert caught.value.process is whereis(found)
            await Agent.stop(found)

    async def test_is_a_destination_for_everything(self) -> None:
        async with Registry() as registry:
            process = await holder(registry, "key")
            via = registry.via("key")
            ref = monitor(via)
            send(via, lambda: "told")

            assert await receive(tuple) == ("told",)
            fastask.exit(via, KILL)
            down = await receive(ref)
            assert down.process is via
            assert not process.alive

    async def test_of_a_key_that_nobody_has(self) -> None:
        async with Registry() as registry:
            via = registry.via("key")

            assert whereis(via) is None
            with pytest.raises(UnknownNameError):
                send(via, "hello")
            with pytest.raises(CallError) as caught:
                await GenServer.call(via, "hello")
            assert caught.value.reason == fastask.NOPROC
            GenServer.cast(via, "hello")

    async def test_of_a_holder_that_has_ended_is_nobody_at_once(self) -> None:
        async with Registry() as registry:
            process = await holder(registry, "key")
            fastask.exit(process, KILL)

            assert whereis(registry.via("key")) is None

    async def test_of_a_registry_that_is_gone_is_nobody(self) -> None:
        async with Registry() as registry:
            via = registry.via("key")

        assert whereis(via) is None

    async def test_needs_unique_keys(self) -> None:
        async with Registry("duplicate", name="topics") as registry:
            with pytest.raises(ValueError, match="keys must be unique"):
                registry.via("key")
            with pytest.raises(ValueError, match="keys must be unique"):
                whereis(Registry.ref("topics").via("key"))

    async def test_starts_again_under_a_supervisor(self) -> None:
        registry = Registry(name="registry")
        child = fastask.ChildSpec("agent", start_agent, (registry,))
        async with Supervisor([registry, child]):
            via = registry.via("agent")
            first = whereis(via)
            assert first is not None
            fastask.exit(first, KILL)
            while whereis(via) is None:
                await fastask.sleep(0)

            assert await Agent.get(via, lambda n: n) == 0


async def start_agent(registry: Registry) -> Any:
    return await Agent.start_link(lambda: 0, name=registry.via("agent"))


class TestDuplicate:
    async def test_takes_any_number_of_entries_of_any_process(self) -> None:
        async with Registry("duplicate") as registry:
            process = await holder(registry, "key", 1)
            registry.register("key", 2)
            registry.register("key", 3)

            assert registry.lookup("key") == [(process, 1), (self_(), 2), (self_(), 3)]
            assert registry.keys() == ["key", "key"]
            assert registry.values("key") == [2, 3]
            assert registry.count() == 3
            registry.unregister("key")
            assert registry.lookup("key") == [(process, 1)]
            await end(process)

    async def test_unregister_match_keeps_the_others(self) -> None:
        async with Registry("duplicate") as registry:
            for value in range(4):
                registry.register("key", value)
            registry.unregister_match("key", lambda value: value % 2)

            assert registry.values("key") == [0, 2]
            registry.unregister("key")

    async def test_is_publish_and_subscribe(self) -> None:
        def publish(topic: str, message: Any) -> None:
            def to_all(entries: list[tuple[Process[Any], Any]]) -> None:
                for process, _ in entries:
                    send(process, message)

            topics.dispatch(topic, to_all)

        async with Registry("duplicate") as topics:
            readers = [await holder(topics, "news") for _ in range(3)]
            other = await holder(topics, "weather")
            publish("news", lambda: "read")

            assert [await receive(tuple) for _ in readers] == [("read",)] * 3
            assert receive_nowait(default=None) is None
            for process in (*readers, other):
                await end(process)

    async def test_has_no_values_to_update(self) -> None:
        async with Registry("duplicate") as registry:
            with pytest.raises(ValueError, match="keys must be unique"):
                registry.update_value("key", lambda value: value)


class TestListeners:
    async def test_are_told_of_entries_but_not_of_ends(self) -> None:
        fastask.register("listener")
        async with Registry(name="registry", listeners=["listener"]) as registry:
            spawn(hold, registry, "key", 1, self_())
            told = await receive(tuple)
            process = await receive(Process)
            send(process, lambda: registry.unregister("key"))
            untold = await receive(tuple)
            await receive(tuple)
            again = await holder(registry, "key", 2)
            await receive(tuple)
            await end(again)
            await end(process)

            assert told == ("register", "registry", "key", process, 1)
            assert untold == ("unregister", "registry", "key", process)
            assert receive_nowait(default=None) is None
        fastask.unregister("listener")

    async def test_are_told_when_the_last_entry_under_a_key_has_gone(self) -> None:
        fastask.register("listener")
        async with Registry("duplicate", name="reg", listeners=["listener"]) as many:
            for value in 1, 2, 2:
                many.register("key", value)
                await receive(tuple)
            many.unregister_match("key", lambda value: value == 1)
            before = receive_nowait(default=None)
            many.unregister("key")
            told = await receive(tuple)

            assert before is None
            assert told == ("unregister", "reg", "key", self_())
            assert receive_nowait(default=None) is None
        fastask.unregister("listener")

    async def test_that_nobody_is_make_register_raise(self) -> None:
        async with Registry(listeners=["nobody"]) as registry:
            with pytest.raises(UnknownNameError, match="'nobody' of a listener"):
                registry.register("key")

            assert registry.count() == 0


class TestMeta:
    async def test_is_stored_and_deleted(self) -> None:
        async with Registry(meta={"a": 1}) as registry:
            registry.put_meta("b", 2)

            assert (registry.meta("a"), registry.meta("b")) == (1, 2)
            registry.delete_meta("a")
            registry.delete_meta("a")
            assert registry.meta("a", None) is None
            with pytest.raises(LookupError, match="has no meta 'a'"):
                registry.meta("a")


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"keys": "many"}, ValueError, "keys must be one of unique, duplicate"),
            ({"name": []}, TypeError, "name must be hashable"),
            (
                {"listeners": "name"},
                TypeError,
                "listeners must be an iterable",
            ),
            ({"listeners": 1}, TypeError, "listeners must be an iterable"),
        ],
    )
    def test_of_an_option_is_one_clear_error(
        self, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            Registry(**options)

    async def test_of_a_verb_changes_nothing(self) -> None:
        async with Registry() as registry:
            bad: Any = registry
            with pytest.raises(TypeError, match="unhashable"):
                bad.register([])
            for verb in (bad.match, bad.dispatch, bad.unregister_match):
                with pytest.raises(TypeError, match="must be a function"):
                    verb("key", 1)
            with pytest.raises(TypeError, match="must be a function"):
                await bad.lock("key", 1)

            assert registry.count() == 0
