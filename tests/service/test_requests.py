"""`examples/service` in the test's own loop: what a client is told, and when."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import asyncpg
import pytest

import fastask
from examples.service import Options, tree
from tests.service.world import (
    PostOffice,
    all_sent,
    connections,
    post_order,
    rows,
    session,
    until,
)

OPTIONS = Options(dsn="", port=0, check_every=0.05, overdue_after=60.0)


@dataclass
class Place:
    """A service that runs, its post office and a client."""

    dsn: str
    tree: fastask.Supervisor
    post: PostOffice
    web_client: aiohttp.ClientSession
    ports: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[-1]}"

    def child(self, id: str) -> fastask.Process[Any] | None:
        for info in self.tree.which_children():
            if info.id == id and isinstance(info.process, fastask.Process):
                return info.process
        return None

    async def order(
        self, key: str, product: str = "tea", quantity: int = 1
    ) -> tuple[int, dict[str, Any]]:
        return await post_order(self.web_client, self.url, key, product, quantity)

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self.web_client.get(f"{self.url}{path}") as response:
            return response.status, await response.json()

    async def is_blocked(self) -> bool:
        """Whether an order waits for a lock."""
        query = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND datname = current_database() AND application_name = 'examples.service'"
        )
        return bool(await rows(self.dsn, query))

    async def is_free(self) -> bool:
        return not await self.is_blocked()

    @contextlib.asynccontextmanager
    async def locked(self, statement: str) -> AsyncIterator[None]:
        """Hold what a statement locks."""
        connection = await asyncpg.connect(self.dsn)
        try:
            async with connection.transaction():
                await connection.execute(statement)
                yield
        finally:
            await connection.close()


ROW = "SELECT 1 FROM products WHERE name = 'tea' FOR UPDATE"


async def is_open(port: int) -> bool:
    """Whether somebody listens on a port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:  # refused, or reset while it closes
        return False
    writer.close()
    await writer.wait_closed()
    return True


@contextlib.asynccontextmanager
async def opened(dsn: str, **options: Any) -> AsyncIterator[Place]:
    ports = list[int]()
    async with PostOffice().running() as post, session() as web_client:
        chosen = replace(OPTIONS, dsn=dsn, post_url=post.url, **options)
        async with tree(chosen, on_start=ports.append) as supervisor:
            yield Place(dsn, supervisor, post, web_client, ports)


class TestOrder:
    async def test_is_answered_before_its_letter_is_delivered(self, dsn: str) -> None:
        async with opened(dsn) as place:
            place.post.open.clear()
            status, receipt = await place.order("a", "tea", 2)
            delivered = dict(place.post.delivered)
            place.post.open.set()
            await until(all_sent, dsn)

            assert status == 201
            assert receipt["total"] == 1800
            assert not delivered
            assert list(place.post.delivered) == [receipt["order_id"]]

    async def test_is_placed_once_with_one_key(self, dsn: str) -> None:
        async with opened(dsn) as place:
            tasks = [fastask.async_(place.order, "a") for _ in range(5)]
            answers = await fastask.await_many(tasks, 10.0)
            await until(all_sent, dsn)

            assert sorted(status for status, _ in answers) == [200, 200, 200, 200, 201]
            assert len({receipt["order_id"] for _, receipt in answers}) == 1
            assert len(place.post.delivered) == 1

    @pytest.mark.parametrize(
        ("order", "status"),
        [
            (("", "tea", 1), 400),
            (("a", "tea", 0), 400),
            (("a", "tea", 10**9), 400),
            (("a", "tea\0", 1), 400),
            (("a", "yacht", 1), 404),
            (("a", "teapot", 26), 409),
            (("taken", "tea", 2), 422),
        ],
        ids=["no key", "none", "too many", "no name", "unknown", "sold out", "taken"],
    )
    async def test_is_refused_without_a_trace(
        self, dsn: str, order: tuple[str, str, int], status: int
    ) -> None:
        async with opened(dsn) as place:
            await place.order("taken", "tea", 1)
            found, answer = await place.order(*order)
            keys = await rows(dsn, "SELECT key FROM orders")

            assert (found, list(answer)) == (status, ["error"])
            assert keys == [("taken",)]

    @pytest.mark.slow
    async def test_that_takes_too_long_is_given_up_and_undone(self, dsn: str) -> None:
        async with opened(dsn, deadline=0.2) as place:
            async with place.locked(ROW):
                status, _ = await place.order("a")
                await until(place.is_free)
            keys = await rows(dsn, "SELECT key FROM orders")
            again, _ = await place.order("a")

            assert status == 504
            assert not keys
            assert again == 201

    async def test_ends_with_its_client(self, dsn: str) -> None:
        async with opened(dsn, deadline=600.0) as place:
            async with place.locked(ROW):
                client = asyncio.ensure_future(place.order("a"))
                await until(place.is_blocked)
                client.cancel()
                async with asyncio.timeout(5.0):  # asyncpg ends its command in ten
                    await until(place.is_free)  # while the row is still locked
            keys = await rows(dsn, "SELECT key FROM orders")

            assert not keys

    @pytest.mark.slow
    async def test_under_way_is_answered_when_the_service_stops(self, dsn: str) -> None:
        async with opened(dsn) as place:
            async with place.locked(ROW):
                client = fastask.async_(place.order, "a")
                await until(place.is_blocked)
                stopping = fastask.async_(place.tree.stop)
                while await is_open(place.ports[0]):
                    await fastask.sleep(0.01)
            status, _ = await client
            await fastask.await_(stopping, 10.0)

            assert status == 201
            assert await all_sent(dsn)

    async def test_is_turned_away_when_there_are_too_many(self, dsn: str) -> None:
        async with opened(dsn, max_requests=1) as place:
            async with place.locked(ROW):
                first = fastask.async_(place.order, "a")
                await until(place.is_blocked)
                status, _ = await place.order("b")

            assert status == 503
            assert (await first)[0] == 201


class TestEffect:
    @pytest.mark.slow
    async def test_is_tried_again_when_it_fails(self, dsn: str) -> None:
        async with opened(dsn) as place:
            place.post.refuses = True
            await place.order("a")

            async def refused() -> bool:
                return place.post.failures >= 2

            await until(refused)
            place.post.refuses = False
            await until(all_sent, dsn)

            assert len(place.post.delivered) == 1

    async def test_is_finished_when_the_service_stops(self, dsn: str) -> None:
        async with opened(dsn) as place:
            place.post.open.clear()
            await place.order("a")

            async def asked() -> bool:
                return place.post.requests == 1

            await until(asked)
            stopping = fastask.async_(place.tree.stop)
            while place.child("service.effects") is not None:  # it is told to stop
                await fastask.sleep(0.01)
            place.post.open.set()
            await fastask.await_(stopping, 10.0)

            assert len(place.post.delivered) == 1
            assert await all_sent(dsn)

    async def test_that_fails_does_not_hold_up_the_end(self, dsn: str) -> None:
        async with opened(dsn) as place:
            place.post.refuses = True
            await place.order("a")
            async with asyncio.timeout(2.0):
                await place.tree.stop()

            assert not await all_sent(dsn)

    @pytest.mark.slow
    async def test_of_an_earlier_run_is_made_up_for(self, dsn: str) -> None:
        async with opened(dsn) as place:
            place.post.refuses = True
            await place.order("a")
        async with opened(dsn, overdue_after=0.0) as place:
            await until(all_sent, dsn)

            assert len(place.post.delivered) == 1


class TestReport:
    async def test_has_three_parts(self, dsn: str) -> None:
        async with opened(dsn) as place:
            await place.order("a", "tea", 2)
            await place.order("b", "cup", 1)
            await until(all_sent, dsn)
            _, report = await place.get("/report")

            assert report["parts"] == {
                "sold": {"tea": 2, "cup": 1},
                "revenue": {"tea": 1800, "cup": 1200},
                "letters": {"sent": 2},
            }
            assert not report["late"]

    @pytest.mark.slow
    async def test_goes_without_what_is_late(self, dsn: str) -> None:
        async with opened(dsn, report_deadline=0.3, check_every=60.0) as place:
            async with place.locked("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"):
                status, report = await place.get("/report")
                await until(place.is_free)  # the query was cancelled in the server

            assert status == 200
            assert report == {
                "parts": {"sold": {}, "revenue": {}},
                "late": ["letters"],
                "failed": [],
            }

    async def test_goes_without_what_fails(self, dsn: str) -> None:
        async with opened(dsn) as place:
            await place.tree.terminate_child("checker")  # it would look there, too
            await rows(dsn, "DROP TABLE outbox")
            status, report = await place.get("/report")

            assert status == 200
            assert report["failed"] == ["letters"]


class TestProduct:
    async def test_is_remembered_until_it_changes(self, dsn: str) -> None:
        async with opened(dsn) as place:
            first = await place.get("/products/teapot")
            await rows(dsn, "UPDATE products SET stock = 7 WHERE name = 'teapot'")
            second = await place.get("/products/teapot")
            await place.order("a", "teapot", 1)
            third = await place.get("/products/teapot")

            stock = [answer["stock"] for _, answer in (first, second, third)]
            assert stock == [25, 25, 6]

    async def test_is_not_found(self, dsn: str) -> None:
        async with opened(dsn) as place:
            assert (await place.get("/products/yacht"))[0] == 404


@pytest.mark.usefixtures("crashes")  # of what is killed on purpose
class TestHealth:
    async def test_is_that_of_the_tree(self, dsn: str) -> None:
        async with opened(dsn) as place:
            well, answer = await place.get("/healthz")
            await place.tree.terminate_child("cache")
            ill, told = await place.get("/healthz")
            away, _ = await place.get("/products/tea")
            await place.tree.restart_child("cache")

            assert (well, ill, away) == (200, 503, 503)
            assert all(answer["children"].values())
            assert [id for id, runs in told["children"].items() if not runs] == [
                "cache"
            ]
            assert (await place.get("/healthz"))[0] == 200

    @pytest.mark.parametrize(
        "id", ["database", "post", "cache", "service.effects", "checker"]
    )
    async def test_comes_back_after_a_kill(self, dsn: str, id: str) -> None:
        async with opened(dsn) as place:
            await place.order("a")
            victim = place.child(id)
            assert victim is not None
            fastask.exit(victim, fastask.KILL)

            async def well() -> bool:
                return (await place.get("/healthz"))[0] == 200

            await until(well)
            status, _ = await place.order("b")
            product, _ = await place.get("/products/tea")

            assert place.child(id) is not victim
            assert (status, product) == (201, 200)

    async def test_comes_back_after_a_kill_of_the_web_server(self, dsn: str) -> None:
        async with opened(dsn) as place:
            before = place.url
            victim = place.child("web")
            assert victim is not None
            fastask.exit(victim, fastask.KILL)

            async def restarted() -> bool:
                return len(place.ports) == 2

            await until(restarted)

            assert (await place.order("a"))[0] == 201
            with pytest.raises(aiohttp.ClientConnectorError):
                await place.web_client.get(before)

    async def test_of_the_end_is_that_nothing_is_left(self, dsn: str) -> None:
        async with opened(dsn) as place:
            await place.order("a")
        assert await connections(dsn) == 0
