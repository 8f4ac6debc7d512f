"""Doing everything again and again changes no reference count of what is shared."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import receive, self_, send

Run = Callable[..., Any]

VALUE = object()
SHARED = [
    VALUE,
    fastask.NORMAL,
    fastask.SHUTDOWN,
    fastask.KILL,
    fastask.KILLED,
    fastask.NOPROC,
    fastask.TIMEOUT,
    fastask.Process,
    fastask.Task,
    fastask.Ref,
    fastask.Down,
    fastask.Exited,
    fastask.Ok,
    fastask.Failed,
    fastask.GenServer,
]


class Server(fastask.GenServer):
    """Keeps a value, and crashes on demand."""

    def init(self, value: object) -> None:
        self.value = value

    @fastask.call
    def get(self) -> object:
        return self.value

    @fastask.call
    async def slow(self, value: object) -> object:
        await fastask.sleep(0)
        return value

    @fastask.cast
    def crash(self) -> None:
        raise ValueError("on purpose")


async def same(value: object) -> object:
    return value


async def fail(value: object) -> None:
    raise ValueError(value)


async def wait(value: object) -> None:
    await receive(fastask.Ref)


async def tasks() -> None:
    assert await fastask.async_(same, VALUE) is VALUE
    supervisor = await fastask.TaskSupervisor.start_link()
    failing = supervisor.async_nolink(fail, VALUE)
    with pytest.raises(ValueError, match="object"):
        await failing
    late = fastask.async_(wait, VALUE)
    assert await fastask.yield_(late, 0) is None
    assert await fastask.shutdown(late) is None
    stuck = fastask.async_(wait, VALUE)
    assert await fastask.shutdown(stuck, fastask.BRUTAL_KILL) is None
    both = [fastask.async_(same, VALUE) for _ in range(2)]
    assert await fastask.await_many(both) == [VALUE, VALUE]
    await supervisor.stop()


async def processes() -> None:
    fastask.trap_exit(True)
    for reason in (fastask.NORMAL, fastask.SHUTDOWN, VALUE, fastask.KILL):
        process = fastask.spawn_link(wait, VALUE)
        ref = fastask.monitor(process)
        fastask.exit(process, reason)
        if reason is fastask.NORMAL:
            fastask.exit(process, fastask.SHUTDOWN)
        await receive(fastask.Exited)
        await receive(ref)
    fastask.trap_exit(False)
    send(self_(), VALUE)
    assert await receive() is VALUE
    timer = fastask.send_after(self_(), VALUE, 60)
    timer.cancel()
    fastask.send_after(self_(), VALUE, 0)
    assert await receive() is VALUE
    alias = fastask.alias()
    send(alias, VALUE)
    assert await receive() is VALUE
    fastask.unalias(alias)


async def servers() -> None:
    spec = Server.child_spec(VALUE, name="server")
    async with fastask.Supervisor([spec]):
        assert await Server.get("server") is VALUE
        assert await Server.slow("server", VALUE) is VALUE
        crashing = fastask.whereis("server")
        Server.crash("server")
        while fastask.whereis("server") in (None, crashing):
            await fastask.sleep(0)
        assert await Server.get("server") is VALUE


async def streams() -> None:
    found = [o async for o in fastask.async_stream([VALUE] * 5, same)]
    assert found == [fastask.Ok(VALUE)] * 5
    async for _ in fastask.async_stream([VALUE] * 5, same, ordered=False):
        break


async def everything() -> None:
    await tasks()
    await processes()
    await servers()
    await streams()


def test_are_the_same_after_many_runs(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest keeps the records of reports, and with them what they name.
    monkeypatch.setattr(logging.getLogger("fastask"), "disabled", True)

    def counts(runs: int) -> list[int]:
        for _ in range(runs):
            run(everything)
        gc.collect()
        return [sys.getrefcount(shared) for shared in SHARED]

    counts(5)  # caches fill

    assert counts(1) == counts(20)
