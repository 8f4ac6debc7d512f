"""The world around the service: its clients, the post office, and the books."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from aiohttp import web

import fastask

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(fastask.__file__).resolve().parents[1]

BOUND = 10.0
"""Seconds after which a request without an answer, or a closed connection, hangs."""

if sys.platform == "win32":
    KILL = signal.SIGTERM  # ends a program at once there
else:
    KILL = signal.SIGKILL

PATIENCE = 30.0
PRODUCTS = ("tea", "cup", "teapot")
PRICES = {"tea": 900, "cup": 1200, "teapot": 4500}
AT_FIRST = {"tea": 1_000_000, "cup": 100_000, "teapot": 25}

Order = tuple[str, int]


async def until(condition: Any, *arguments: Any) -> None:
    """Wait until what an async function finds is true."""
    async with asyncio.timeout(PATIENCE):
        while not await condition(*arguments):
            await fastask.sleep(0.01)


async def rows(dsn: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


class PostOffice:
    """Delivers letters over HTTP: once for a key, whatever it answers.

    Args:
        chance: Decides which requests fail; None means that none does.
    """

    def __init__(self, chance: random.Random | None = None) -> None:
        self.chance = chance
        self.delivered: dict[int, str] = {}
        self.requests = 0
        self.failures = 0
        self.refuses = False
        self.open = asyncio.Event()
        self.open.set()
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[PostOffice]:
        app = web.Application()
        app.router.add_post("/letters", self.take)
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/letters"
            yield self
        finally:
            await runner.cleanup()

    async def take(self, request: web.Request) -> web.Response:
        self.requests += 1
        letter = await request.json()
        assert request.headers["Idempotency-Key"] == str(letter["order_id"])
        await self.open.wait()
        fate = self.chance.random() if self.chance else 1.0
        if self.refuses or fate < 0.1:
            self.failures += 1
            return web.Response(status=503)
        known = self.delivered.setdefault(letter["order_id"], letter["text"])
        assert known == letter["text"]
        if fate < 0.2:  # delivered, and nobody is told
            self.failures += 1
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=204)


@dataclass
class Program:
    """The service as a program."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end, and return its exit status; nothing of it is left."""
        status: int = await fastask.await_(
            fastask.async_(self.process.wait, PATIENCE), None
        )
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, 0)
                raise AssertionError("a process of the service is left")
        return status


@contextlib.contextmanager
def program(
    dsn: str, post_url: str, log: Path, options: Sequence[str] = ()
) -> Iterator[Program]:
    """Start the service in a session of its own; it is killed when it still runs."""
    command = [sys.executable, "-m", "examples.service", "--dsn", dsn, "--port", "0"]
    with (
        log.open("a") as errors,
        subprocess.Popen(
            [*command, "--post", post_url, "--overdue", "0.5", *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONDEVMODE": ""},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("listening on port"), log.read_text()
            yield Program(process, int(said.split()[-1]), log)
        finally:
            process.kill()


@dataclass
class Clients:
    """Those who order, and what they were told.

    Attributes:
        url: Where the service is.
        seed: Of what they order.
        hurry: How often, from 0 to 1, one goes away before the answer, and asks again.
        accepted: The receipts, by key.
        refused: What was sold out.
        unknown: What was ordered and not answered yet.
        answers: How often each status was seen; 0 is a connection that was closed.
        left: How often a client went away.
        longest: Seconds that any request took.
    """

    url: str
    seed: int
    hurry: float = 0.0
    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, Order] = field(default_factory=dict)
    unknown: dict[str, Order] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    left: int = 0
    longest: float = 0.0
    stopped: bool = False

    @contextlib.asynccontextmanager
    async def ordering(self, number: int = 16) -> AsyncIterator[aiohttp.ClientSession]:
        """Let clients order within the block; one that is wronged fails it."""
        self.stopped = False
        async with session() as web_client:
            clients = [
                fastask.async_(self.client, web_client, f"{len(self.accepted)}-{n}")
                for n in range(number)
            ]
            try:
                yield web_client
                self.stopped = True
                await fastask.await_many(clients, PATIENCE)
            finally:
                for client in clients:  # after a failure, before the session is closed
                    await fastask.shutdown(client, fastask.BRUTAL_KILL)

    async def client(self, web_client: aiohttp.ClientSession, name: str) -> None:
        chance = random.Random(f"{self.seed}-{name}")
        orders = 0
        while not self.stopped:
            orders += 1
            product = chance.choices(PRODUCTS, (60, 39, 1))[0]
            order = (product, chance.randint(1, 3))
            await self.order(web_client, f"{name}-{orders}", order, chance)

    async def order(
        self,
        web_client: aiohttp.ClientSession,
        key: str,
        order: Order,
        chance: random.Random,
    ) -> None:
        """Ask, with one key, until there is an answer or the service is no more."""
        self.unknown[key] = order
        while not await self.asked(web_client, key, order, chance):
            if self.stopped:
                return
            await fastask.sleep(0.02)
        del self.unknown[key]
        if key in self.accepted and chance.random() < 0.05:
            receipt = self.accepted[key]  # as one does who has not seen the answer
            await self.asked(web_client, key, order, chance)
            assert self.accepted[key] == receipt

    async def asked(
        self,
        web_client: aiohttp.ClientSession,
        key: str,
        order: Order,
        chance: random.Random,
    ) -> bool:
        in_a_hurry = chance.random() < self.hurry
        limit = chance.uniform(0.0, 0.03) if in_a_hurry else BOUND
        begin = time.monotonic()
        try:
            async with asyncio.timeout(limit):
                status, answer = await post_order(web_client, self.url, key, *order)
        except TimeoutError:
            assert in_a_hurry, f"a request hangs: {key}, {order}"
            self.left += 1
            return False
        except aiohttp.ClientError:
            status, answer = 0, {}
        self.longest = max(self.longest, time.monotonic() - begin)
        self.answers[status] += 1
        match status:
            case 200 | 201:
                product, quantity = order
                assert answer["total"] == quantity * PRICES[product]
                assert (answer["product"], answer["quantity"]) == order
                self.accepted[key] = answer
            case 409:
                assert order[0] == "teapot"
                self.refused[key] = order
            case 0 | 503 | 504:
                return False
            case _:
                raise AssertionError(f"{key}, {order}: {status}, {answer}")
        return True

    async def settle(self) -> None:
        """Ask again for what was not answered."""
        self.stopped, self.hurry = False, 0.0
        async with session() as web_client:
            for key, order in list(self.unknown.items()):
                chance = random.Random(f"{self.seed}-{key}")
                await self.order(web_client, key, order, chance)
        assert not self.unknown


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def post_order(
    web_client: aiohttp.ClientSession, url: str, key: str, product: str, quantity: int
) -> tuple[int, dict[str, Any]]:
    async with web_client.post(
        f"{url}/orders",
        json={"product": product, "quantity": quantity},
        headers={"Idempotency-Key": key},
    ) as response:
        return response.status, await response.json()


async def check_books(dsn: str, clients: Clients, post: PostOffice) -> None:
    """Hold what the clients were told against the database and the letters."""
    await until(all_sent, dsn)
    orders = await rows(dsn, "SELECT id, key, product, quantity, total FROM orders")
    outbox = await rows(dsn, "SELECT order_id, text FROM outbox")
    stock = dict(await rows(dsn, "SELECT name, stock FROM products"))

    # What was accepted is there, once, and nothing else.
    found = {
        key: {"order_id": id, "product": product, "quantity": n, "total": total}
        for id, key, product, n, total in orders
    }
    assert len(found) == len(orders)
    assert found == clients.accepted
    assert not found.keys() & clients.refused.keys()
    # Nothing was taken from the stock twice.
    sold = Counter[str]()
    for _, _, product, quantity, _ in orders:
        sold[product] += quantity
    assert {name: stock[name] + sold[name] for name in PRODUCTS} == AT_FIRST
    # Each customer was told once, and what is in the books.
    assert post.delivered == dict(outbox)
    assert post.delivered.keys() == {id for id, *_ in orders}


async def all_sent(dsn: str) -> bool:
    return not await rows(dsn, "SELECT 1 FROM outbox WHERE NOT sent LIMIT 1")


async def connections(dsn: str) -> int:
    """How many connections the service has to its database."""
    query = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE application_name = 'examples.service' AND datname = current_database()"
    )
    return len(await rows(dsn, query))
