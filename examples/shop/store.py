"""The store: orders, stock and letters still to be sent, in one SQLite database."""

from __future__ import annotations

import sqlite3
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import fastask

STORE = "shop.store"
"""The name of the server."""

CATALOGUE = [
    # name, price in cents, stock
    ("tea", 900, 10_000),
    ("cup", 1_200, 1_000),
    ("teapot", 4_500, 25),
]

SCHEMA = """
PRAGMA journal_mode = WAL;        -- a report reads while an order is written
PRAGMA foreign_keys = ON;

CREATE TABLE IF NOT EXISTS products (
    name TEXT PRIMARY KEY,
    price INTEGER NOT NULL,
    stock INTEGER NOT NULL CHECK (stock >= 0)
);
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,     -- made by the client, see `place_order`
    product TEXT NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    total INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (
    order_id INTEGER PRIMARY KEY REFERENCES orders,
    text TEXT NOT NULL,
    written REAL NOT NULL,        -- seconds since the epoch
    sent INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS unsent ON outbox (written) WHERE NOT sent;
"""


@dataclass(frozen=True)
class Receipt:
    """An order that was accepted; `total` is in cents."""

    order_id: int
    product: str
    quantity: int
    total: int


@dataclass(frozen=True)
class Refused:
    """An order that was not accepted, and why."""

    why: str


@dataclass(frozen=True)
class Letter:
    """What a customer is to be told, once, about an order."""

    order_id: int
    text: str


Outcome: TypeAlias = Receipt | Refused


class Store(fastask.GenServer):
    """Keeps the orders; only it writes to the database, one request at a time.

    Each request is one small transaction on a local disk, done right here, though that
    holds up the event loop: for some 0.05 ms, or 1 ms where the disk has to confirm a
    write. In return nothing is awaited within a request, so no exit signal can come
    between its parts, and the reply leaves in the same turn. What takes longer does not
    belong here: a query over all orders runs in a worker thread (see `report`), and a
    database across a network is awaited, with a driver for asyncio.

    What a customer does wrong is an answer, `Refused`, and no exception: this would end
    the server, which is right for a bug or a full disk and wrong for a sold-out teapot.
    """

    def init(self, path: Path, on_order: Callable[[Letter], None]) -> None:
        """Open the database, and make it where there is none.

        Args:
            path: The file.
            on_order: Is given the letter about an order, after the reply to it.
        """
        self.on_order = on_order
        # Closed with this object, however the server ends: `terminate` does not run
        # after a kill. The collector may do it in any thread.
        self.database = sqlite3.connect(path, check_same_thread=False)
        weakref.finalize(self, self.database.close)
        self.database.executescript(SCHEMA)
        with self.database:
            self.database.executemany(
                "INSERT OR IGNORE INTO products VALUES (?, ?, ?)", CATALOGUE
            )

    @fastask.call
    def place_order(
        self, key: str, product: str, quantity: int
    ) -> fastask.Answer[Outcome]:
        """Accept an order, and write down the letter about it in the same transaction.

        A client that got no answer asks again with the same key: the order is placed
        once, and the receipt is the same.

        Args:
            key: Unique to this order, made by the client.
            product: The name of a product.
            quantity: How many, > 0.

        Returns:
            A `Receipt`, or `Refused`.
        """
        known = self._receipt_of(key)
        if known is not None:
            if (known.product, known.quantity) != (product, quantity):
                return fastask.Answer(Refused("that key belongs to another order"))
            return fastask.Answer(known)
        outcome = self._sell(key, product, quantity)
        if isinstance(outcome, Refused):
            return fastask.Answer(outcome)
        # The customer has the reply before anything is done about the letter.
        letter = Letter(outcome.order_id, _text_about(outcome))
        return fastask.Answer(outcome, then=fastask.Continue(letter))

    def handle_continue(self, letter: Letter) -> None:
        """Have the letter about a new order sent."""
        self.on_order(letter)

    @fastask.call
    def stock(self, product: str) -> int | None:
        """Return how many there are, or None when that is no product."""
        found = self.database.execute(
            "SELECT stock FROM products WHERE name = ?", (product,)
        ).fetchone()
        return None if found is None else int(found[0])

    @fastask.call
    def unsent(self, age: float = 0.0) -> list[Letter]:
        """Return the letters, at least `age` seconds old, that are still to be sent."""
        rows = self.database.execute(
            "SELECT order_id, text FROM outbox WHERE NOT sent AND written <= ? "
            "ORDER BY written",
            (time.time() - age,),
        )
        return [Letter(*row) for row in rows]

    @fastask.call
    def mark_sent(self, order_id: int) -> None:
        """Note that the letter about an order was sent; twice is as good as once."""
        with self.database:
            self.database.execute(
                "UPDATE outbox SET sent = 1 WHERE order_id = ?", (order_id,)
            )

    def _receipt_of(self, key: str) -> Receipt | None:
        row = self.database.execute(
            "SELECT id, product, quantity, total FROM orders WHERE key = ?", (key,)
        ).fetchone()
        return None if row is None else Receipt(*row)

    def _sell(self, key: str, product: str, quantity: int) -> Outcome:
        found = self.database.execute(
            "SELECT price, stock FROM products WHERE name = ?", (product,)
        ).fetchone()
        if found is None:
            return Refused(f"there is no {product}")
        price, stock = found
        if quantity <= 0:
            return Refused(f"quantity must be > 0, got {quantity}")
        if stock < quantity:
            return Refused(f"only {stock} of {product} left")
        with self.database:  # all of it or nothing
            self.database.execute(
                "UPDATE products SET stock = stock - ? WHERE name = ?",
                (quantity, product),
            )
            order_id = self.database.execute(
                "INSERT INTO orders (key, product, quantity, total) "
                "VALUES (?, ?, ?, ?) RETURNING id",
                (key, product, quantity, quantity * price),
            ).fetchone()[0]
            receipt = Receipt(order_id, product, quantity, quantity * price)
            self.database.execute(
                "INSERT INTO outbox (order_id, text, written) VALUES (?, ?, ?)",
                (order_id, _text_about(receipt), time.time()),
            )
        return receipt


def _text_about(receipt: Receipt) -> str:
    return f"Thank you for {receipt.quantity} {receipt.product}: {receipt.total} cents."
