"""The engine on Dask: who is up, and what a name means."""

from __future__ import annotations

import asyncio
import socket
import threading

import psutil  # type: ignore[import-untyped,unused-ignore]  # where no stubs are
import pytest
from distributed import Worker

from fastask import NameTakenError
from fastask._nodes.dask import make_engine, membership
from fastask._nodes.dask.engine import DaskEngine
from tests.nodes.cluster import Ear, Head, Node, joined, new_name, until


class TestPeers:
    async def test_who_was_there_before_is_up_at_once(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first):
            late = Node()
            await late.start(head, second)
            names = set(late.engine.peers())
            await late.engine.stop()

        assert first in names
        assert second not in names

    async def test_are_told_who_comes_and_who_goes(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first) as [stays]:
            async with joined(head, second):
                await stays.meets(second)
            await stays.misses(second)

        about = [event for event in stays.events if event[1] == second]
        assert about == [("up", second), ("down", second)]

    async def test_are_seen_with_their_labels_and_address(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, labels={"zone": "north"}) as [labelled]:
            other = Node()
            await other.start(head, second)
            seen = other.engine.peers()[first]
            await other.engine.stop()

        assert seen == labelled.peer
        assert seen.labels == {"zone": "north"}

    async def test_a_node_that_returns_is_another_incarnation(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first) as [stays]:
            async with joined(head, second) as [node]:
                await stays.meets(second)
                old = node.peer
            await stays.misses(second)
            async with joined(head, second) as [node]:
                await stays.meets(second)
                seen = stays.engine.peers()[second]

                assert seen == node.peer
                assert seen.incarnation != old.incarnation


class TestName:
    async def test_of_a_live_node_is_refused(self, head: Head) -> None:
        name = new_name()
        async with joined(head, name):
            with pytest.raises(NameTakenError, match=f"a live node has '{name}'"):
                await Node().start(head, name)

    async def test_is_free_again_at_once(self, head: Head) -> None:
        name = new_name()
        async with joined(head, name):
            pass
        async with joined(head, name) as [node]:
            assert node.peer.name == name


class TestStart:
    @pytest.mark.parametrize("net_ticktime", [10.9, 0.0, float("nan")])
    async def test_needs_a_time_that_tcp_can_keep(
        self, head: Head, net_ticktime: float
    ) -> None:
        with pytest.raises(ValueError, match="net_ticktime must be >= 11 s, got"):
            await Node().start(head, new_name(), net_ticktime)

    async def test_without_an_address_says_how_to_start_a_head(self) -> None:
        with pytest.raises(ValueError, match="python -m fastask scheduler"):
            await DaskEngine().start(
                "a@b", join=None, security=None, net_ticktime=60, listener=Node()
            )

    @pytest.mark.parametrize("join", ["", "nowhere", "127.0.0.1:", ":8786", "a:b"])
    async def test_needs_an_address(self, join: str) -> None:
        with pytest.raises(ValueError, match="join must be HOST:PORT of the head, got"):
            await DaskEngine().start(
                "a@b", join=join, security=None, net_ticktime=60, listener=Node()
            )

    async def test_without_a_head_is_an_error(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(membership, "CONNECT", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with pytest.raises(ConnectionError, match="no head lets us in"):
            await DaskEngine().start(
                "a@b",
                join=f"127.0.0.1:{port}",
                security=None,
                net_ticktime=60,
                listener=Node(),
            )

    async def test_that_is_cancelled_leaves_no_port(
        self, head: Head, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = asyncio.Event()

        async def wait_for_ever(_: object) -> None:
            asked.set()
            await asyncio.get_running_loop().create_future()

        monkeypatch.setattr(Worker, "_register_with_scheduler", wait_for_ever)
        tasks, process = asyncio.all_tasks(), psutil.Process()
        ports = len(process.net_connections("tcp"))
        start = asyncio.ensure_future(Node().start(head, new_name()))
        await asked.wait()
        start.cancel()
        await asyncio.wait([start])

        assert start.cancelled()
        await until(lambda: len(process.net_connections("tcp")) == ports)
        assert asyncio.all_tasks() == tasks

    def test_has_no_workers(self) -> None:
        assert isinstance(make_engine(None, "shop:children"), DaskEngine)
        with pytest.raises(ValueError, match="workers must be None for engine='dask'"):
            make_engine(2, None)

    async def test_cannot_be_had_twice(self, head: Head) -> None:
        async with joined(head, new_name()) as [node]:
            with pytest.raises(RuntimeError, match="this engine has started"):
                await node.start(head, new_name())


class TestStop:
    async def test_leaves_no_task_thread_or_port(self, head: Head) -> None:
        tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
        process = psutil.Process()
        ports = len(process.net_connections("tcp"))
        first, second = new_name(), new_name()

        async with joined(head, first, second) as [one, _]:
            link = await one.engine.connect(second, Ear())
            link.send([b"x" * 3_000_000])

        await until(lambda: len(process.net_connections("tcp")) == ports)
        assert asyncio.all_tasks() == tasks
        assert set(threading.enumerate()) == threads

    async def test_closes_the_links_on_both_sides(self, head: Head) -> None:
        first, second = new_name(), new_name()
        ear = Ear()
        async with joined(head, first) as [stays]:
            async with joined(head, second) as [leaves]:
                await leaves.meets(first)
                await leaves.engine.connect(first, ear)
                await until(lambda: stays.ears)
            await until(lambda: stays.ears[0].reasons)

            assert [str(reason) for reason in ear.reasons] == [
                "the node has left the cluster"
            ]
            assert len(stays.ears[0].reasons) == 1

    async def test_twice_is_once(self, head: Head) -> None:
        async with joined(head, new_name()) as [node]:
            await node.engine.stop()
            await node.engine.stop()

            assert node.engine.peers() == {}
