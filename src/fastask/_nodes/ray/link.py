"""Link: frames between two nodes, numbered, as far as the receiver has taken the last.

Ray promises no order and may lose what was on its way to an actor, so each message has
its place: a gap or a repeat closes the link.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from fastask._nodes.engine import Frame, Peer, Receiver
from fastask._nodes.ray.wire import (
    CLOSE,
    CREDIT,
    FRAME,
    PART,
    TICK,
    Malformed,
    message,
    packed,
    unpacked,
)
from fastask._nodes.ticking import LinkClosed, TickingLink

WINDOW = 4 * 1024 * 1024
"""Bytes on their way that the receiver has not taken: above, nothing leaves."""

TAKEN = 256 * 1024
"""Bytes after which the sender is told that they were taken."""

PIECE = 256 * 1024
"""Bytes of a frame in one message."""

logger = logging.getLogger("fastask")


Post = Callable[[Peer, bytes], None]
"""Takes messages to the other node."""


class RayLink(TickingLink):
    """Both directions between two nodes, in order, at most once."""

    def __init__(
        self,
        peer: Peer,
        number: int,
        is_opener: bool,
        post: Post,
        finished: Callable[[RayLink], None],
    ) -> None:
        super().__init__(peer)
        self.number = number
        self.is_opener = is_opener
        self._post = post
        self._finished = finished
        self._receiver: Receiver | None = None
        self._said = 0
        self._heard = 0
        self._early: list[tuple[int, bytes]] = []  # before there was a receiver
        self._parts: list[bytes] = []
        self._queue: deque[bytes] = deque()
        self._away = 0  # bytes that have left and are not taken
        self._taken = 0

    def start(self, receiver: Receiver) -> None:
        """Bring frames to the receiver, from the next turn of the loop on."""
        self._receiver = receiver
        self._loop.call_soon(self._catch_up)

    def send(self, frame: Frame) -> None:
        """Send a frame soon; never waits, never raises, does nothing once closed."""
        if self._is_closed:
            return
        try:
            body = packed(frame)
        except Exception as error:  # a frame that is none: the link has lost its place
            logger.exception("the link to %s cannot send a frame", self.peer.name)
            self.close(error)
            return
        size = len(body)
        self._pending += size
        if size <= PIECE and self._away <= WINDOW and not self._queue:
            self._away += size
            self.say(FRAME, body)
        else:
            self._queue.append(body)
            self._let_go()

    def close(self, reason: object = None) -> None:
        """Close at once; `closed` is called in a later turn of the loop.

        What was sent before leaves, as far as the window has room for it.
        """
        if not self._is_closed:
            self.say(CLOSE, str(reason).encode(errors="replace")[:1000])
            self.cut(reason)

    def cut(self, reason: object) -> None:
        """Close, and do not tell the other node."""
        if self._is_closed:
            return
        self._is_closed = True
        self._queue.clear()
        self._parts.clear()
        self._early.clear()
        self._pending = 0
        self._make_room()
        self._finished(self)
        self._loop.call_soon(self._tell, reason)

    def say(self, kind: int, body: bytes = b"") -> None:
        """Send a message at the next place."""
        self._has_sent = True
        place, self._said = self._said, self._said + 1
        said = message(kind, self.is_opener, self.number, place, body)
        self._post(self.peer, said)

    def follows(self, place: int) -> bool:
        """Take note of a message; tell whether it is the next, else close the link."""
        self._has_received = True
        wanted, self._heard = self._heard, self._heard + 1
        if place == wanted:
            return True
        logger.warning("a message from %s is lost or repeated", self.peer.name)
        self.close(LinkClosed(f"message {wanted} was next, got {place}"))
        return False

    def hear(self, kind: int, body: memoryview) -> None:
        """Take what the other node says."""
        if kind == FRAME and self._receiver is not None and not self._early:
            self._take(kind, body)
        elif kind == CREDIT:
            self._credit(body)
        elif kind == CLOSE and self._receiver is not None and not self._early:
            self.cut(_closed_there(body))
        elif kind in (FRAME, PART, CLOSE):
            if self._receiver is None or self._early:
                self._early.append((kind, bytes(body)))
            else:
                self._take(kind, body)
        elif kind != TICK:
            self.close(LinkClosed(f"a message must be of a known kind, got {kind}"))

    def _catch_up(self) -> None:
        early, self._early = self._early, []
        for kind, body in early:
            if self._is_closed:
                return
            if kind == CLOSE:
                self.cut(_closed_there(body))
            else:
                self._take(kind, memoryview(body))

    def _take(self, kind: int, body: memoryview) -> None:
        assert self._receiver is not None
        self._taken += len(body)
        try:
            if kind == PART:
                self._parts.append(bytes(body))
            elif self._parts:
                parts, self._parts = self._parts, []
                self._receiver.received(unpacked(b"".join((*parts, body))))
            else:
                self._receiver.received(unpacked(body))
        except Exception as error:  # whatever is wrong with a frame ends the link
            if not self._is_closed:
                logger.exception("the link to %s is closed by a frame", self.peer.name)
                self.close(error)
            return
        if self._taken >= TAKEN and not self._is_closed:
            self.say(CREDIT, self._taken.to_bytes(8, "little"))
            self._taken = 0

    def _credit(self, body: memoryview) -> None:
        taken = int.from_bytes(body, "little")
        if taken > self._away:
            self.close(Malformed(f"{taken} bytes were taken of {self._away}"))
            return
        self._away -= taken
        self._pending -= taken
        self._let_go()
        self._make_room()

    def _let_go(self) -> None:
        """Let frames leave, in messages, while the window has room."""
        while self._queue and self._away <= WINDOW:
            body = self._queue.popleft()
            self._away += len(body)
            last = max(0, len(body) - 1) // PIECE * PIECE
            for start in range(0, last, PIECE):
                self.say(PART, body[start : start + PIECE])
            self.say(FRAME, body[last:] if last else body)

    def _send_tick(self) -> None:
        self.say(TICK)

    def _tell(self, reason: object) -> None:
        if self._receiver is not None:
            self._receiver.closed(reason)


def _closed_there(body: memoryview | bytes) -> LinkClosed:
    text = bytes(body).decode(errors="replace")
    return LinkClosed(f"closed by the other node: {text}")
