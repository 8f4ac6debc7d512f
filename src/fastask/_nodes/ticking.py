"""Ticking: what a link does that hears by itself whether the other side's loop runs."""

from __future__ import annotations

import asyncio
import logging

from fastask._nodes.engine import Peer

FULL = 2 * 1024 * 1024
"""Bytes that wait or are on their way: above, `drain` waits."""

LOST_TICKS = 4
"""So many ticks without any message are `net_ticktime`."""

logger = logging.getLogger("fastask")


class LinkClosed(ConnectionError):
    """The reason of a link that can bring nothing any more."""


class TickingLink:
    """The part of a link that ticks, and knows how much of it is on its way.

    Attributes:
        peer: The node at the other end.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self._pending = 0  # bytes that wait, or are on their way
        self._drained: asyncio.Future[None] | None = None
        self._has_received = True
        self._has_sent = True
        self._missed = 0

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open"
        return f"<{type(self).__name__} {self.peer.name} {state}>"

    async def drain(self) -> None:
        """Wait until there is room to send; returns at once when closed."""
        while self._pending > FULL and not self._is_closed:
            if self._drained is None:
                self._drained = self._loop.create_future()
            await asyncio.shield(self._drained)

    def close(self, reason: object = None) -> None:
        """Close at once; `closed` is called in a later turn of the loop."""
        raise SystemError("a link is closed by its engine's class")

    def tick(self) -> None:
        """Say that this loop runs; close a link that has been silent for too long.

        Ticks are counted, not seconds: a node that was stopped itself finds what came
        in the meantime before it blames the other.
        """
        if self._is_closed:
            return
        self._missed = 0 if self._has_received else self._missed + 1
        self._has_received = False
        if self._missed > LOST_TICKS:
            logger.warning("%s was silent for net_ticktime", self.peer.name)
            self.close(LinkClosed("net_tick_timeout"))
            return
        if not self._has_sent:
            self._send_tick()
        self._has_sent = False

    def _send_tick(self) -> None:
        """Send a message that is none: the other side sees that this loop runs."""
        raise SystemError("a tick is sent by its engine's class")

    def _make_room(self) -> None:
        """Let those go on who wait for room, unless there is none."""
        if self._drained is None or self._pending > FULL:
            return
        if not self._drained.done():
            self._drained.set_result(None)
        self._drained = None
