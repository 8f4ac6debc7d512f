"""The engine beside Dask itself: its workers, its tasks, its configuration, its log."""

from __future__ import annotations

import logging
from typing import Any, cast

import dask.config
from distributed import Worker, rpc

from tests.nodes.cluster import Head, Node, joined, new_name, until


class TestScheduler:
    async def test_gives_a_node_no_tasks(self, head: Head) -> None:
        name = new_name()

        async def status() -> object:
            async with rpc(head.address) as scheduler:
                identity = cast(Any, await scheduler.identity())
            by_name = {each["name"]: each for each in identity["workers"].values()}
            return by_name[name]["status"]

        async with joined(head, name):
            seen: list[object] = []
            while "paused" not in seen:
                seen.append(await status())
                assert len(seen) < 1000

    async def test_may_have_workers_that_are_no_nodes(self, head: Head) -> None:
        worker = await Worker(
            head.address,
            name=new_name(),
            nthreads=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            executor="offload",
        )
        name = new_name()
        try:
            async with joined(head, name) as [node]:
                other = Node()
                await other.start(head, new_name())
                await other.meets(name)

                assert worker.name not in other.engine.peers()
                assert ("up", worker.name) not in node.events
                await other.engine.stop()
        finally:
            await worker.close()


class TestConfiguration:
    async def test_is_given_back_with_the_last_engine(self, head: Head) -> None:
        def timeouts() -> tuple[object, object]:
            return (
                dask.config.get("distributed.comm.timeouts.connect"),
                dask.config.get("distributed.comm.timeouts.tcp"),
            )

        before = timeouts()
        async with joined(head, new_name()):
            async with joined(head, new_name()):
                during = timeouts()
            assert timeouts() == during
        assert during == (5.0, "11s")
        assert timeouts() == before

    async def test_keeps_the_log_to_what_is_news(self, head: Head) -> None:
        logger = logging.getLogger("distributed.worker")
        text = "Failed to communicate with scheduler during heartbeat."
        record = logger.makeRecord(logger.name, logging.ERROR, "", 0, text, (), None)
        assert logger.filter(record)
        async with joined(head, new_name()):
            assert not logger.filter(record)
            assert not logger.isEnabledFor(logging.INFO)
        await until(lambda: logger.filter(record))
