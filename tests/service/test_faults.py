"""`examples/service` under load: whatever is cut, no order or letter goes wrong."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import fastask
from examples.service.cluster import Cluster
from tests.service.world import (
    BOUND,
    KILL,
    Clients,
    PostOffice,
    Program,
    all_sent,
    check_books,
    connections,
    program,
    rows,
    until,
)

SEED = 20_261_127

pytestmark = pytest.mark.slow

CUT = (
    "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity "
    "WHERE application_name = 'examples.service' AND datname = current_database() "
    "AND state <> 'idle' ORDER BY random() LIMIT 3) AS victims"
)


@dataclass
class World:
    """A service that runs, and who is around it."""

    dsn: str
    directory: Path
    post: PostOffice
    service: Program
    clients: Clients
    options: Sequence[str]

    async def orders(self, number: int) -> None:
        """Wait until so many more orders were accepted."""
        wanted = len(self.clients.accepted) + number

        async def placed() -> bool:
            return len(self.clients.accepted) >= wanted

        await until(placed)

    async def stop(self) -> float:
        """Send SIGTERM, and return the seconds until it has ended in order."""
        begin = time.monotonic()
        self.service.kill(signal.SIGTERM)
        status = await self.service.ended()
        log = self.service.log.read_text()

        assert status == 0, log
        assert not errors(log), log
        return time.monotonic() - begin

    @contextlib.asynccontextmanager
    async def again(self) -> AsyncIterator[None]:
        """Let the service run again within the block, on the same database."""
        log, options = self.service.log, self.options
        with program(self.dsn, self.post.url, log, options) as self.service:
            self.clients.url = self.service.url
            yield

    async def settle(self) -> None:
        """Let everything come to its end, and look at the books."""
        await self.clients.settle()
        await check_books(self.dsn, self.clients, self.post)

        assert self.clients.longest < BOUND


def errors(log: str) -> list[str]:
    """What was logged as an error.

    asyncpg forgets a future when a connection is cut while it is being made, and
    asyncio tells of it.
    """
    lines = [line for line in log.splitlines() if " ERROR " in line]
    return [line for line in lines if "asyncio Future exception was never" not in line]


Scenario = Callable[[World], Coroutine[Any, Any, None]]
Play = Callable[[Scenario], None]


@pytest.fixture(params=[(), ("--task-factory",)], ids=["plain", "task-factory"])
def play(dsn: str, tmp_path: Path, request: pytest.FixtureRequest) -> Play:
    """Play a scenario with a service that runs."""
    options: Sequence[str] = request.param

    async def main(scenario: Scenario) -> None:
        async with PostOffice(random.Random(SEED)).running() as post:
            with program(dsn, post.url, tmp_path / "log", options) as service:
                clients = Clients(service.url, SEED)
                world = World(dsn, tmp_path, post, service, clients, options)
                await scenario(world)

    return lambda scenario: fastask.run(main, scenario)


class TestDatabase:
    def test_whose_connections_are_cut_in_mid_flight_loses_nothing(
        self, play: Play
    ) -> None:
        async def scenario(world: World) -> None:
            cut = 0
            async with world.clients.ordering():
                while cut < 50:
                    await world.orders(5)
                    [(number,)] = await rows(world.dsn, CUT)
                    cut += number
                await world.orders(50)
            await world.settle()
            await world.stop()

            assert world.clients.answers[503] > 10
            assert world.post.failures > 10

        play(scenario)

    def test_that_restarts_loses_nothing(self, play: Play, postgres: Cluster) -> None:
        async def scenario(world: World) -> None:
            async with world.clients.ordering():
                for mode in ("immediate", "fast"):
                    await world.orders(50)
                    await fastask.await_(fastask.async_(postgres.restart, mode), 30.0)
                await world.orders(50)
            await world.settle()
            await world.stop()

            assert world.clients.answers[503] > 10

        play(scenario)


class TestClient:
    def test_that_goes_away_and_asks_again_has_one_order(self, play: Play) -> None:
        async def scenario(world: World) -> None:
            world.clients.hurry = 0.7
            async with world.clients.ordering():
                await world.orders(200)
            await world.settle()
            await world.stop()

            assert world.clients.left > 50

        play(scenario)


class TestSignal:
    def test_to_terminate_drains_at_full_load(self, play: Play) -> None:
        async def scenario(world: World) -> None:
            async with world.clients.ordering(32):
                await world.orders(100)
                seconds = await world.stop()
            left = await connections(world.dsn)
            async with world.again():
                await world.settle()
                await world.stop()

            assert seconds < BOUND
            assert left == 0
            assert world.clients.answers[0]  # the port is closed

        play(scenario)

    def test_to_terminate_ends_it_while_the_database_is_down(
        self, play: Play, postgres: Cluster
    ) -> None:
        async def scenario(world: World) -> None:
            async with world.clients.ordering():
                await world.orders(50)
                await fastask.await_(fastask.async_(postgres.stop), 30.0)
                try:
                    seconds = await world.stop()
                finally:
                    await fastask.await_(fastask.async_(postgres.start), 30.0)
            async with world.again():
                await world.settle()

            assert seconds < BOUND

        play(scenario)

    def test_to_terminate_leaves_letters_that_cannot_be_sent_to_the_next_run(
        self, play: Play
    ) -> None:
        async def scenario(world: World) -> None:
            world.post.refuses = True
            async with world.clients.ordering():
                await world.orders(50)
            seconds = await world.stop()
            delivered = len(world.post.delivered)
            world.post.refuses = False
            async with world.again():
                await until(all_sent, world.dsn)
                await world.settle()

            assert seconds < BOUND
            assert not delivered

        play(scenario)

    def test_to_kill_loses_nothing(self, play: Play) -> None:
        async def scenario(world: World) -> None:
            async with world.clients.ordering(32):
                await world.orders(100)
                world.service.kill(KILL)
                await world.service.ended()
            async with world.again():
                await world.settle()

            assert world.clients.answers[0]

        play(scenario)
