"""A node that is called while it joins: others see it before it is told that it has."""

from __future__ import annotations

import asyncio
from typing import Any

import fastask
from fastask._nodes.engine import Listener, Peer
from fastask._nodes.wire import Kind
from tests.nodes.test_session import PEER, FakeEngine, FakeLink, turns


class SlowEngine(FakeEngine):
    """An engine that goes on starting while another node opens a link and greets."""

    link: FakeLink
    closes = False

    async def start(self, name: str, *, listener: Listener, **options: Any) -> Peer:
        me = await super().start(name, listener=listener, **options)
        self.link = self.accept(PEER)
        self.link.greet(Kind.HELLO, me.incarnation)
        if self.closes:
            self.link.close("it has changed its mind")
        await asyncio.sleep(0.01)
        return me


class TestCaller:
    async def test_is_welcomed_once_the_node_has_joined(self) -> None:
        engine = SlowEngine()
        async with fastask.connect(engine, "a@fake"):
            await turns()

            assert [message[0] for message in engine.link.heard()] == [Kind.WELCOME]

    async def test_that_has_gone_meanwhile_is_forgotten(self) -> None:
        engine = SlowEngine()
        engine.closes = True
        async with fastask.connect(engine, "a@fake"):
            await turns()

            assert engine.link.heard() == []
