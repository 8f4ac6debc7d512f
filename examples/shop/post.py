"""The post office: stands for the service that sends e-mails."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import fastask
from examples.shop.store import Letter

SCHEMA = """
PRAGMA synchronous = OFF;  -- it is make-believe
CREATE TABLE IF NOT EXISTS letters (order_id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (order_id INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class PostOffice:
    """Delivers letters, and each only once however often it is asked.

    Services that send e-mails or take payments do this by an idempotency key, which is
    the number of the order here.

    Args:
        path: Of its database, which is none of the shop's.
        latency: Seconds that a delivery takes.
    """

    path: Path
    latency: float = 0.05

    async def deliver(self, letter: Letter) -> None:
        """Deliver a letter, unless that was done before."""
        await fastask.sleep(self.latency)
        # A plain function runs in a worker thread. When this process is killed the
        # thread goes on, and the letter may have been delivered with nobody to tell.
        await fastask.async_(self._write, letter)

    def delivered(self) -> list[Letter]:
        """Return the letters that customers have got, in order."""
        with contextlib.closing(self._open()) as database:
            rows = database.execute("SELECT * FROM letters ORDER BY order_id")
            return [Letter(*row) for row in rows]

    def requests(self) -> int:
        """Return how often it was asked to deliver a letter."""
        with contextlib.closing(self._open()) as database:
            count = database.execute("SELECT count(*) FROM requests").fetchone()[0]
            return int(count)

    def _write(self, letter: Letter) -> None:
        with contextlib.closing(self._open()) as database, database:
            database.execute("INSERT INTO requests VALUES (?)", (letter.order_id,))
            database.execute(
                "INSERT OR IGNORE INTO letters VALUES (?, ?)",
                (letter.order_id, letter.text),
            )

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=30.0)
        database.executescript(SCHEMA)
        return database
