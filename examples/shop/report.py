"""The report: an aggregate of three queries that run at once."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import fastask


@dataclass(frozen=True)
class Summary:
    """How the shop does, by product; products that nobody bought are in `stock` only.

    Attributes:
        sold: How many were sold.
        revenue: What was paid for them, in cents.
        stock: How many are left.
    """

    sold: dict[str, int]
    revenue: dict[str, int]
    stock: dict[str, int]


async def summarise(database: Path, timeout: float = 5.0) -> Summary:
    """Run the three queries at once, and put their results together.

    Queries over all orders take long. So each runs in a worker thread, as plain
    functions do, with a connection of its own, while the store goes on selling; each
    sees the shop at a moment of its own. The tasks are linked to the caller: either all
    of them succeed, or the caller ends too, and none goes on.

    Args:
        database: That of the shop.
        timeout: Seconds for all of them together.

    Raises:
        TaskTimeoutError: If time ran out.
    """
    sold, revenue, stock = await fastask.await_many(
        [
            fastask.async_(_numbers, database, query)
            for query in (
                "SELECT product, sum(quantity) FROM orders GROUP BY product",
                "SELECT product, sum(total) FROM orders GROUP BY product",
                "SELECT name, stock FROM products",
            )
        ],
        timeout,
    )
    return Summary(sold, revenue, stock)


def _numbers(database: Path, query: str) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA query_only = ON")
        return dict(connection.execute(query).fetchall())
