"""Side effects: what an order brings about, and what the customer does not wait for."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import fastask
from examples.service.database import Database, Unavailable
from examples.service.orders import Letter, mark_sent
from examples.service.post import Post

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds before each further attempt; then it is up to the checker."""

_LOGGER = logging.getLogger(__name__)

Pause = Callable[[float], Awaitable[bool]]
"""Waits some seconds, and tells whether to go on."""


async def confirm(letter: Letter, database: Database, post: Post, pause: Pause) -> None:
    """Deliver a letter, then note that it was sent; try again while one is away.

    It may end before the first, between the two or after the second, and may run more
    than once: the letter stays in the outbox until it is noted, and the post ignores
    one that it knows. At least once, and harmless when repeated, is once.
    """
    for seconds in (*PAUSES, None):
        try:
            await post.deliver(letter)
            await mark_sent(database, letter)
        except Unavailable as error:
            if seconds is not None and await pause(seconds):
                continue
            _LOGGER.info("letter %d is left to the checker: %s", letter.order_id, error)
        return


async def confirm_in_order(letter: Letter, database: Database, post: Post) -> None:
    """Confirm, as a process of a supervisor that may stop.

    The signal to stop is a message here: an attempt that goes on is finished, within
    the seconds that the supervisor gives its children, and no further one begins.
    """
    fastask.trap_exit(True)
    await confirm(letter, database, post, pause_unless_stopped)


async def pause_unless_stopped(seconds: float) -> bool:
    """Wait, or less when this process is told to stop."""
    try:
        await fastask.receive(fastask.Exited, timeout=seconds)
    except TimeoutError:
        return True
    return False


class Effects(Protocol):
    """How side effects are started."""

    def start(self, letter: Letter) -> None:
        """Start to confirm an order, and do not wait for it."""

    def count(self) -> int:
        """Return how many are on their way."""
        ...

    def child(self) -> object:
        """Return the child that stops them in order."""
        ...


class SupervisedEffects:
    """Side effects as children of a task supervisor.

    Args:
        database: Where sent letters are noted.
        post: What delivers them.
        limit: How many may be on their way.
    """

    def __init__(self, database: Database, post: Post, limit: int = 1000) -> None:
        self.database = database
        self.post = post
        self.supervisor = fastask.TaskSupervisor(
            name="service.effects", max_children=limit
        )

    def start(self, letter: Letter) -> None:
        """Start to confirm an order, and do not wait for it.

        When the supervisor is being restarted, or has its hands full, nothing happens:
        the letter is in the outbox, and the checker will find it there.
        """
        with contextlib.suppress(fastask.NoProcessError, fastask.MaxChildrenError):
            self.supervisor.start_child(
                confirm_in_order, letter, self.database, self.post
            )

    def count(self) -> int:
        """Return how many are on their way."""
        return self.supervisor.count_children().active

    def child(self) -> object:
        """Return the supervisor."""
        return self.supervisor
