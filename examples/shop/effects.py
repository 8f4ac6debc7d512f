"""Side effects: what an order brings about, after the customer has the receipt."""

from __future__ import annotations

import contextlib

import fastask
from examples.shop.post import PostOffice
from examples.shop.store import STORE, Letter, Store

EFFECTS = "shop.effects"
"""The name of the task supervisor."""


async def confirm(letter: Letter, post: PostOffice) -> None:
    """Deliver a letter, then note that it was sent.

    It may end before the first, between the two or after the second, and may run more
    than once: the letter stays in the outbox until it is noted, and the post office
    ignores one that it knows. At least once, and harmless when repeated, is once.
    """
    await post.deliver(letter)
    await Store.mark_sent(STORE, letter.order_id)


def confirm_soon(post: PostOffice, letter: Letter) -> None:
    """Start to confirm an order, and do not wait for it.

    When the supervisor is being restarted, or has its hands full, nothing happens: the
    letter is in the outbox, and the checker will find it there.
    """
    with contextlib.suppress(
        fastask.UnknownNameError, fastask.NoProcessError, fastask.MaxChildrenError
    ):
        fastask.TaskSupervisor.ref(EFFECTS).start_child(confirm, letter, post)
