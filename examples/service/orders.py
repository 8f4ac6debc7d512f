"""Orders: placed once, whatever happens to the connection on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from examples.service.database import Connection, Database


@dataclass(frozen=True)
class Receipt:
    """An order that was accepted; `total` is in cents."""

    order_id: int
    product: str
    quantity: int
    total: int


@dataclass(frozen=True)
class Letter:
    """What a customer is to be told, once, about an order."""

    order_id: int
    text: str


@dataclass(frozen=True)
class Placed:
    """The order was accepted just now, and this letter is to be sent."""

    receipt: Receipt
    letter: Letter


@dataclass(frozen=True)
class Known:
    """The order was accepted before."""

    receipt: Receipt


@dataclass(frozen=True)
class Refused:
    """The order was not accepted, and nothing of it is left."""

    status: int
    why: str


Outcome: TypeAlias = Placed | Known | Refused


async def place(database: Database, key: str, product: str, quantity: int) -> Outcome:
    """Accept an order, take it from the stock, and write down the letter about it.

    All of that is one transaction. Who got no answer asks again with the same key: two
    orders with one key exclude each other in the database, and the second is known.

    Args:
        database: Where it is placed.
        key: Unique to this order, made by the client.
        product: The name of a product.
        quantity: How many, > 0.

    Raises:
        Unavailable: If the database is, or was, away. The order may have been placed.
    """
    async with database.connection() as connection:
        try:
            async with connection.transaction():
                return await _place(connection, key, product, quantity)
        except _SoldOut:
            return Refused(409, f"not enough of {product} left")


class _SoldOut(Exception):
    """Undoes the transaction."""


async def _place(
    connection: Connection, key: str, product: str, quantity: int
) -> Outcome:
    row = await connection.fetchrow(
        "INSERT INTO orders (key, product, quantity, total) "
        "SELECT $1, name, $3::integer, $3::bigint * price FROM products "
        "WHERE name = $2 ON CONFLICT (key) DO NOTHING "
        "RETURNING id, product, quantity, total",
        key,
        product,
        quantity,
    )
    if row is None:
        return await _known(connection, key, product, quantity)
    receipt = Receipt(*row)
    taken = await connection.execute(
        "UPDATE products SET stock = stock - $2 WHERE name = $1 AND stock >= $2",
        product,
        quantity,
    )
    if taken == "UPDATE 0":
        raise _SoldOut
    letter = Letter(receipt.order_id, _text_about(receipt))
    await connection.execute(
        "INSERT INTO outbox (order_id, text) VALUES ($1, $2)",
        letter.order_id,
        letter.text,
    )
    return Placed(receipt, letter)


async def _known(
    connection: Connection, key: str, product: str, quantity: int
) -> Known | Refused:
    row = await connection.fetchrow(
        "SELECT id, product, quantity, total FROM orders WHERE key = $1", key
    )
    if row is None:
        return Refused(404, f"there is no {product}")
    receipt = Receipt(*row)
    if (receipt.product, receipt.quantity) != (product, quantity):
        return Refused(422, "that key belongs to another order")
    return Known(receipt)


async def overdue(database: Database, age: float, limit: int = 100) -> list[Letter]:
    """Return letters that should have been sent `age` seconds ago, the oldest first.

    Raises:
        Unavailable: If the database is away.
    """
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT order_id, text FROM outbox WHERE NOT sent "
            "AND written <= now() - make_interval(secs => $1) "
            "ORDER BY written LIMIT $2",
            age,
            limit,
        )
    return [Letter(*row) for row in rows]


async def mark_sent(database: Database, letter: Letter) -> None:
    """Note that a letter was sent; twice is as good as once.

    Raises:
        Unavailable: If the database is away. It may have been noted.
    """
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE outbox SET sent = true WHERE order_id = $1", letter.order_id
        )


def _text_about(receipt: Receipt) -> str:
    return f"Thank you for {receipt.quantity} {receipt.product}: {receipt.total} cents."
