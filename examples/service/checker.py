"""The checker: sends what something came in the way of."""

from __future__ import annotations

import logging

import fastask
from examples.service.database import Database, Unavailable
from examples.service.effects import confirm_in_order
from examples.service.orders import overdue
from examples.service.post import Post

_LOGGER = logging.getLogger(__name__)


async def deliver_overdue(database: Database, post: Post, age: float) -> None:
    """Send the letters that should have been sent by now, a few at a time.

    One that fails harms no other, and has its next chance in the next run. That the
    database is away is no reason to crash: a restart of this process would not bring it
    back, and too many of them would end the service.

    Args:
        database: Where the letters are.
        post: What delivers them.
        age: Seconds after which a letter is overdue.
    """
    try:
        letters = await overdue(database, age)
    except Unavailable as error:
        _LOGGER.info("nothing was checked: %s", error)
        return
    async with fastask.async_stream(
        letters,
        confirm_in_order,
        database,
        post,
        max_concurrency=4,
        ordered=False,
        timeout=30.0,
        on_timeout="kill_task",
    ) as confirmations:
        async for _ in confirmations:
            pass
