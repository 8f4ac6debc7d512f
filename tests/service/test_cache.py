"""The cache of `examples/service`: one query for all, and nothing that is not true."""

from __future__ import annotations

import asyncio

import pytest

import fastask
from examples.service.cache import CACHE, Cache, Product, product
from examples.service.database import Unavailable


class Shelf:
    """Where products are looked up; answers when it is told to."""

    def __init__(self) -> None:
        self.stock = 5
        self.queries = 0
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.is_away = False

    async def look_up(self, name: str) -> Product | None:
        self.queries += 1
        stock = self.stock
        self.asked.set()
        await self.open.wait()
        if self.is_away:
            raise Unavailable("on purpose")
        return Product(name, 900, stock)


async def started(seconds: float = 60.0) -> Shelf:
    shelf = Shelf()
    await Cache.start_link(shelf.look_up, seconds, name=CACHE)
    return shelf


async def stop() -> None:
    await fastask.GenServer.stop(CACHE)


class TestCache:
    async def test_asks_once_for_all_who_wait(self) -> None:
        shelf = await started()
        shelf.open.clear()
        tasks = [fastask.async_(product, "tea") for _ in range(10)]
        await shelf.asked.wait()
        shelf.open.set()
        answers = await fastask.await_many(tasks)
        await stop()

        assert set(answers) == {Product("tea", 900, 5)}
        assert shelf.queries == 1

    async def test_forgets_in_time(self) -> None:
        shelf = await started(0.01)
        await product("tea")
        async with asyncio.timeout(5.0):
            while shelf.queries < 2:
                await fastask.sleep(0.01)
                await product("tea")
        await stop()

    async def test_keeps_no_answer_that_was_overtaken_by_a_change(self) -> None:
        shelf = await started()
        shelf.open.clear()
        before = fastask.async_(product, "tea")
        await shelf.asked.wait()
        shelf.stock = 4
        Cache.changed(CACHE, "tea")
        shelf.open.set()
        old, new = await before, await product("tea")
        await stop()

        assert old is not None
        assert new is not None
        assert new.stock == 4

    async def test_tells_who_waits_that_a_query_failed_and_goes_on(self) -> None:
        shelf = await started()
        shelf.is_away = True
        with pytest.raises(Unavailable):
            await product("tea")
        shelf.is_away = False
        found = await product("tea")
        await stop()

        assert found == Product("tea", 900, 5)

    async def test_that_is_away_is_told(self) -> None:
        with pytest.raises(Unavailable):
            await product("tea")
