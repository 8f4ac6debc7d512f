"""Servers: what clients are told that they get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

import fastask
from fastask import (
    Address,
    Agent,
    Answer,
    Continue,
    GenCall,
    GenCast,
    GenServer,
    Hibernate,
    IdleTimeout,
    Ignore,
    NoReply,
    Process,
    Request,
    Stop,
    Via,
    call,
    cast,
)


class Stack(GenServer):
    async def init(self, *items: str) -> Ignore | Continue | None:
        self.items = list(items)
        return Continue("fill")

    @call
    def push(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)

    @call
    async def pop(self, *, default: str = "") -> str | NoReply:
        return self.items.pop() if self.items else NoReply()

    @call(timeout=1.0)
    def peek(self) -> str | Stop | None:
        return self.items[-1] if self.items else None

    @call(timeout=None)
    async def wait(self) -> float:
        return 1.0

    @call
    def sum(self) -> Answer[bytes]:
        return Answer(b"", then=Hibernate())

    @call
    async def later(self) -> Answer[bytes]:
        return Answer(b"", then=IdleTimeout(1.0))

    @cast
    def clear(self) -> None:
        self.items.clear()
        assert_type(self.push("a"), int)

    @cast
    async def fill(self, count: int) -> Continue | None:
        return Continue(count)

    async def handle_call(self, request: int, from_: GenCall) -> int:
        assert_type(from_.process, Process[Any])
        return request

    def handle_cast(self, request: str) -> None: ...

    async def handle_info(self, message: object) -> IdleTimeout:
        return IdleTimeout(5)

    async def handle_continue(self, argument: str) -> None: ...

    async def terminate(self, reason: object) -> None: ...


async def clients(via: Via) -> None:
    assert_type(await Stack.push("stack", "a"), int)
    assert_type(await Stack.pop(via, default="x"), str)
    assert_type(await Stack.peek(Address("stack", fastask.node())), str | None)
    assert_type(await Stack.wait("stack"), float)
    assert_type(await Stack.sum("stack"), bytes)
    assert_type(await Stack.later("stack"), bytes)
    Stack.clear("stack")
    Stack.fill("stack", 3)
    assert_type(Stack.push.request("a"), Request)
    assert_type(await GenServer.call("stack", 1, timeout=None), Any)
    await GenServer.stop("stack", "enough", timeout=1.0)


async def starts() -> None:
    assert_type(await Stack.start_link("a", name="stack"), Process[None] | None)
    assert_type(await Stack.start(timeout=1.0), Process[None] | None)
    assert_type(Stack.child_spec("a", restart="transient"), fastask.ChildSpec)
    nodes = [fastask.node(), *fastask.nodes()]
    assert_type(
        await GenServer.multi_call(nodes, "stack", 1),
        tuple[list[tuple[str, Any]], list[str]],
    )
    assert_type(GenCast("x").request, Any)


async def agents(grow: Callable[[int], int]) -> None:
    agent = await Agent.start_link(lambda: 0, name="agent")
    assert_type(agent, Process[None] | None)
    await Agent.update("agent", grow)
    assert_type(await Agent.get("agent", grow), Any)
    Agent.cast("agent", grow)


async def looking_inside() -> None:
    assert_type(await fastask.sys.get_state("stack"), Any)
    assert_type(await fastask.sys.get_status("stack"), fastask.sys.Status)
    assert_type(await fastask.sys.statistics("stack"), fastask.sys.Statistics | None)
