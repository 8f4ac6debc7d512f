"""Who calls must say who it is; anything else is closed, and touches nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from distributed.comm.core import connect

from fastask._nodes.dask.handshake import PROTOCOL, described
from fastask._nodes.engine import Peer
from tests.nodes.cluster import Ear, Head, Node, echoed, joined, new_name, until

Change = Callable[[dict[str, Any], Peer], object]


def with_description(**changes: object) -> Change:
    """A greeting whose sender describes itself otherwise."""
    return lambda hello, _: hello | {"fastask": hello["fastask"] | changes}


GREETINGS: dict[str, Change] = {
    "a message of Dask": lambda *_: {"op": "identity"},
    "a text": lambda *_: "hello",
    "nothing": lambda *_: None,
    "too much": lambda hello, _: hello | {"more": 1},
    "no description": lambda hello, _: hello | {"fastask": "x"},
    "another protocol": with_description(protocol=PROTOCOL + 1),
    "no name": with_description(name=""),
    "a number as a name": with_description(name=7),
    "no labels": with_description(labels=None),
    "a name that is not listed": with_description(name="stranger@nowhere"),
    "an incarnation that is not listed": with_description(incarnation="0" * 32),
    "a call for another incarnation": lambda hello, _: hello | {"wanted": "0" * 32},
}


async def greet(node: Node, caller: Peer, change: Change) -> object:
    """Call a node as somebody, and return what it answers before it closes."""
    hello = {"fastask": described(caller), "wanted": node.peer.incarnation}
    comm = await connect(node.peer.address, timeout=5, deserialize=False)
    try:
        await comm.write(change(hello, caller))
        answer = await comm.read()
        with pytest.raises(OSError, match=r"."):
            await comm.read()
        return answer
    finally:
        comm.abort()


class TestCall:
    @pytest.mark.parametrize("change", GREETINGS.values(), ids=GREETINGS.keys())
    async def test_is_refused_with_a_reason(
        self, head: Head, change: Change, caplog: pytest.LogCaptureFixture
    ) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [node, caller]:
            answer = await greet(node, caller.peer, change)

            assert isinstance(answer, dict)
            assert answer["refused"]
            assert node.links == []
            await until(lambda: "is refused" in caplog.text)

    async def test_that_fits_is_taken(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [node, caller]:
            comm = await connect(node.peer.address, timeout=5, deserialize=False)
            hello = {"fastask": described(caller.peer), "wanted": node.peer.incarnation}
            await comm.write(hello)

            assert await comm.read() == {"fastask": PROTOCOL, "refused": None}
            assert [link.peer for link in node.links] == [caller.peer]
            await comm.close()

    @pytest.mark.parametrize("message", [{"x": 1}, ("x",), ((1,),), 7, "text"])
    async def test_that_goes_on_with_no_frame_is_closed(
        self, head: Head, message: object, caplog: pytest.LogCaptureFixture
    ) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [node, caller]:
            comm = await connect(node.peer.address, timeout=5, deserialize=False)
            hello = {"fastask": described(caller.peer), "wanted": node.peer.incarnation}
            await comm.write(hello)
            await comm.read()
            await comm.write(message)
            await until(lambda: node.ears[0].reasons)

            assert node.ears[0].frames == []
            assert isinstance(node.ears[0].reasons[0], ValueError)
            assert "is closed by a frame" in caplog.text
            comm.abort()

    @pytest.mark.parametrize(
        "data", [b"", b"\0" * 8, b"\x08\0\0\0\0\0\0\0garbage.", b"\x05\0\0\0\0\0\0\0x"]
    )
    async def test_of_raw_bytes_disturbs_nobody(self, head: Head, data: bytes) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [node, caller]:
            address, port = node.peer.address.removeprefix("tcp://").split(":")
            reader, writer = await asyncio.open_connection(address, int(port))
            writer.write(data)
            writer.write_eof()
            await reader.read()
            writer.close()
            ear = Ear()
            link = await caller.engine.connect(first, ear)

            assert await echoed(link, ear, [b"fine"]) == [b"fine"]
            assert len(node.links) == 1

    async def test_that_says_nothing_is_closed(
        self, head: Head, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fastask._nodes.dask.engine.CONNECT", 0.2)
        async with joined(head, new_name()) as [node]:
            comm = await connect(node.peer.address, timeout=5, deserialize=False)
            with pytest.raises(OSError, match=r"."):
                await comm.read()

            assert node.links == []

    async def test_to_an_address_that_another_node_has_now_is_an_error(
        self, head: Head
    ) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [node, caller]:
            moved = replace(node.peer, incarnation="0" * 32)
            node.engine._this = moved

            with pytest.raises(ConnectionError, match="calls for incarnation"):
                await caller.engine.connect(first, Ear())
