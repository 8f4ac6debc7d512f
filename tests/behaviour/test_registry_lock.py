"""`Registry.lock`: one at a time, first come, first served."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Failed,
    NoProcessError,
    Ok,
    Registry,
    async_nolink,
    receive,
    self_,
    send,
    yield_,
)


async def hold(registry: Registry, key: Any, parent: Any, name: str) -> str:
    """Take a lock, say so, and give it back when told to."""

    async def held() -> str:
        send(parent, name)
        await receive("go".__eq__)
        return name

    return str(await registry.lock(key, held))


class TestLock:
    async def test_returns_what_the_function_returns(self) -> None:
        async def later() -> str:
            await fastask.sleep(0)
            return "later"

        async with Registry() as registry:
            assert await registry.lock("key", lambda: 42) == 42
            assert await registry.lock("key", later) == "later"

    async def test_is_free_again_when_the_function_raises(self) -> None:
        async with Registry() as registry:
            with pytest.raises(ZeroDivisionError):
                await registry.lock("key", lambda: 1 // 0)

            assert await registry.lock("key", lambda: 1) == 1

    async def test_of_other_keys_is_another_one(self) -> None:
        async with Registry() as registry:
            one = async_nolink(hold, registry, 1, self_(), "one")
            two = async_nolink(hold, registry, True, self_(), "two")
            assert {await receive(str), await receive(str)} == {"one", "two"}
            for task in (one, two):
                send(task.process, "go")

            assert [await one, await two] == ["one", "two"]

    async def test_goes_from_one_to_the_next_in_order(self) -> None:
        async with Registry() as registry:
            tasks = [
                async_nolink(hold, registry, "k", self_(), str(n)) for n in range(4)
            ]
            for number, task in enumerate(tasks):
                assert await receive(str) == str(number)
                assert fastask.receive_nowait(str, default=None) is None
                send(task.process, "go")
                assert await task == str(number)

    async def test_is_free_again_when_its_holder_ends(self) -> None:
        async with Registry() as registry:
            first = async_nolink(hold, registry, "k", self_(), "first")
            assert await receive(str) == "first"
            second = async_nolink(hold, registry, "k", self_(), "second")
            fastask.exit(first.process, KILL)
            assert await receive(str) == "second"
            send(second.process, "go")

            assert await yield_(first) == Failed(fastask.KILLED)
            assert await yield_(second) == Ok("second")

    async def test_skips_who_ended_while_waiting(self) -> None:
        async with Registry() as registry:
            tasks = [
                async_nolink(hold, registry, "k", self_(), str(n)) for n in range(3)
            ]
            assert await receive(str) == "0"
            fastask.exit(tasks[1].process, KILL)
            send(tasks[0].process, "go")
            assert await receive(str) == "2"
            send(tasks[2].process, "go")

            assert await yield_(tasks[0]) == Ok("0")
            assert await yield_(tasks[1]) == Failed(fastask.KILLED)
            assert await yield_(tasks[2]) == Ok("2")

    async def test_skips_who_gave_up_while_waiting(self) -> None:
        async with Registry() as registry:
            first = async_nolink(hold, registry, "k", self_(), "first")
            assert await receive(str) == "first"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await registry.lock("k", lambda: "never")
            send(first.process, "go")
            await first

            assert await registry.lock("k", lambda: "free") == "free"

    async def test_leaves_no_trace(self) -> None:
        async with Registry() as registry:
            for _ in range(10):
                await registry.lock("k", lambda: None)
            await fastask.sys.get_state(registry)  # it has taken the last one back
            info = fastask.process_info(registry.process) if registry.process else None

            assert info is not None
            assert info.monitors == []
            assert registry.count() == 0

    async def test_of_a_registry_that_is_gone_raises(self) -> None:
        async with Registry() as registry:
            pass

        with pytest.raises(NoProcessError):
            await registry.lock("key", list)

    async def test_fails_when_the_registry_ends_meanwhile(self) -> None:
        fastask.trap_exit(True)
        registry = await Registry.start_link()
        first = async_nolink(hold, registry, "k", self_(), "first")
        assert await receive(str) == "first"

        async def wait() -> None:
            with pytest.raises(NoProcessError):
                await registry.lock("k", list)

        second = async_nolink(wait)
        await fastask.sleep(0)
        assert registry.process is not None
        fastask.exit(registry.process, KILL)

        assert await yield_(second) == Ok(None)
        await receive(fastask.Exited)
        send(first.process, "go")
        assert await yield_(first) == Ok("first")
