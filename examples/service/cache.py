"""The cache: products as they were a moment ago, and one query for all who ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import fastask
from examples.service.database import Database, Unavailable

CACHE = "service.cache"
"""The name of the server."""


@dataclass(frozen=True)
class Product:
    """What there is, and its price in cents."""

    name: str
    price: int
    stock: int


async def load(database: Database, name: str) -> Product | None:
    """Look a product up; None means that there is none.

    Raises:
        Unavailable: If the database is away.
    """
    async with database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT name, price, stock FROM products WHERE name = $1", name
        )
    return None if row is None else Product(*row)


@dataclass
class Load:
    """A query on its way, and who waits for it."""

    name: str
    waiting: list[fastask.GenCall] = field(default_factory=list)
    is_stale: bool = False


class Cache(fastask.GenServer):
    """Keeps products for a while.

    It never waits for the database: a query is a task of its own, whose outcome comes
    as a message, and who asks for the same meanwhile waits for the same query. When the
    query fails, those who wait are told, and the cache goes on.
    """

    def init(
        self, look_up: Callable[[str], Awaitable[Product | None]], seconds: float
    ) -> None:
        """Begin with nothing.

        Args:
            look_up: Finds a product.
            seconds: How long one is kept.
        """
        self.look_up = look_up
        self.seconds = seconds
        self.products: dict[str, Product | None] = {}
        self.loads: dict[fastask.Ref, Load] = {}
        self.loading: dict[str, Load] = {}

    def handle_call(
        self, name: str, from_: fastask.GenCall
    ) -> fastask.Ok[Product | None] | fastask.NoReply:
        """Answer from memory, or when the query is done."""
        if name in self.products:
            return fastask.Ok(self.products[name])
        load = self.loading.get(name)
        if load is None:
            load = self.loading[name] = Load(name)
            self.loads[fastask.async_nolink(self.look_up, name).ref] = load
        load.waiting.append(from_)
        return fastask.NoReply()

    def handle_info(self, message: object) -> None:
        """Take the outcome of a query, or forget a product that is too old."""
        match message:
            case fastask.Reply(ref, product):
                fastask.demonitor(ref, flush=True)
                self.loaded(self.loads.pop(ref), fastask.Ok(product))
            case fastask.Down(ref, _, reason):
                self.loaded(self.loads.pop(ref), fastask.Failed(reason))
            case ("forget", str(name)):
                self.products.pop(name, None)

    def loaded(self, load: Load, outcome: fastask.Ok[Product] | fastask.Failed) -> None:
        """Tell those who wait, and keep what is still true."""
        if self.loading.get(load.name) is load:
            del self.loading[load.name]
        for from_ in load.waiting:
            fastask.GenServer.reply(from_, outcome)
        if isinstance(outcome, fastask.Ok) and not load.is_stale:
            self.products[load.name] = outcome.value
            fastask.send_after(fastask.self_(), ("forget", load.name), self.seconds)

    @fastask.cast
    def changed(self, name: str) -> None:
        """Forget a product; a query that is on its way may have seen the old one."""
        self.products.pop(name, None)
        load = self.loading.pop(name, None)
        if load is not None:
            load.is_stale = True


async def product(name: str) -> Product | None:
    """Return a product as it was a moment ago, or None where there is none.

    Raises:
        Unavailable: If it is not known, and the database or the cache is away.
    """
    try:
        outcome = await fastask.GenServer.call(CACHE, name)
    except fastask.CallError as error:
        raise Unavailable(f"no cache: {error!r}") from error
    found: Product | None = outcome.unwrap()
    return found
