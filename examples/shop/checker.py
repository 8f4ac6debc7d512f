"""The checker: sends what something came in the way of."""

from __future__ import annotations

import fastask
from examples.shop.effects import EFFECTS, confirm
from examples.shop.post import PostOffice
from examples.shop.store import STORE, Store


async def deliver_overdue(post: PostOffice, age: float) -> None:
    """Send the letters that should have been sent by now, a few at a time.

    One that fails harms no other, and has its next chance in the next run. When the
    store or the supervisor is gone this process crashes, and is started anew.

    Args:
        post: What delivers them.
        age: Seconds after which a letter is overdue.
    """
    confirmations = fastask.TaskSupervisor.ref(EFFECTS).async_stream_nolink(
        await Store.unsent(STORE, age),
        confirm,
        post,
        max_concurrency=8,
        ordered=False,
        timeout=30.0,
        on_timeout="kill_task",
    )
    async for _ in confirmations:
        pass
