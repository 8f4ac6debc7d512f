"""Switch: all links of a node, how they are opened, and what goes to and from them."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass

from fastask._nodes.engine import Link, Listener, Peer, Receiver
from fastask._nodes.ray import wire
from fastask._nodes.ray.link import RayLink
from fastask._nodes.ticking import LinkClosed

CONNECT = 5.0
"""Seconds until a node that does not answer counts as out of reach."""

RECORD = 1_000_000
"""Bytes of messages in one record."""

logger = logging.getLogger("fastask")

Key = tuple[str, int, bool]
"""Of a link: the incarnation of the other node, the number, whether we opened it."""

Write = Callable[..., None]
"""Takes a kind of record, the number of a node, and messages to it."""


@dataclass
class Call:
    """A link that waits for the other node to agree."""

    link: RayLink
    answer: asyncio.Future[None]


class Switch:
    """The links of a node, by whom they lead to."""

    def __init__(self, listener: Listener, write: Write) -> None:
        self._listener = listener
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._serials = itertools.count(1)
        self._numbers: dict[str, int] = {}  # that the host gave, by incarnation
        self._links: dict[Key, RayLink] = {}
        self._calls: dict[Key, Call] = {}
        self._callers: set[asyncio.Task[None]] = set()
        self._news: set[asyncio.Future[None]] = set()  # of who waits for a node
        self._outbox: dict[int, list[bytes]] = {}  # messages, by number
        self._is_busy = False  # somebody will look at the outbox

    def add(self, peer: Peer, number: int) -> None:
        """Take note of how a node is reached."""
        self._numbers[peer.incarnation] = number
        for waiter in self._news:
            if not waiter.done():
                waiter.set_result(None)

    def remove(self, peer: Peer, reason: str) -> None:
        """Take note that a node is gone."""
        self.cut(peer, reason)
        self._outbox.pop(self._numbers.pop(peer.incarnation), None)

    def cut(self, peer: Peer, reason: str) -> None:
        """Close all links to a node that cannot be reached."""
        for key, link in list(self._links.items()):
            if key[0] == peer.incarnation:
                link.cut(LinkClosed(f"{peer.name} is lost: {reason}"))

    def tick(self) -> None:
        """Let every link tick."""
        for link in list(self._links.values()):
            link.tick()

    async def open(self, this: Peer, peer: Peer, receiver: Receiver) -> Link:
        """Open a link from this node to another.

        Raises:
            ConnectionError: If that does not answer in time, refuses, or is lost.
        """
        link = RayLink(peer, next(self._serials), True, self._post, self._closed)
        key = peer.incarnation, link.number, True
        call = Call(link, self._loop.create_future())
        self._calls[key] = call
        self._links[key] = link
        link.say(wire.OPEN, wire.described(this))
        try:
            async with asyncio.timeout(CONNECT):
                await call.answer
        except BaseException as error:
            link.close(LinkClosed("the caller has given up"))
            if isinstance(error, TimeoutError):
                raise ConnectionError(f"{peer.name!r} cannot be reached") from error
            raise
        finally:
            del self._calls[key]
        link.start(receiver)
        return link

    async def close(self) -> None:
        """Close all links, and take no more; what they say is written."""
        self._is_open = False
        for task in self._callers:
            task.cancel()
        if self._callers:
            await asyncio.wait(self._callers)
        for link in list(self._links.values()):
            link.close(LinkClosed("the node has left the cluster"))
        self._flush()

    def arrived(self, payload: bytes) -> None:
        """Take the messages of a node, which come after its incarnation."""
        source = payload[: wire.SOURCE].hex()
        try:
            for message in wire.messages(memoryview(payload)[wire.SOURCE :]):
                self._hear(source, *message)
        except wire.Malformed as error:
            logger.warning("what came from %s is refused: %s", source, error)
            for key, link in list(self._links.items()):
                if key[0] == source:
                    link.close(LinkClosed(f"malformed: {error}"))

    def _closed(self, link: RayLink) -> None:
        key = link.peer.incarnation, link.number, link.is_opener
        self._links.pop(key, None)
        call = self._calls.get(key)
        if call is not None and not call.answer.done():
            call.answer.set_exception(ConnectionError(f"{link.peer.name!r} is lost"))

    def _post(self, peer: Peer, message: bytes) -> None:
        """Send a message: the first of a turn at once, what follows it together."""
        number = self._numbers.get(peer.incarnation)
        if number is None:
            return
        if self._is_busy:
            self._outbox.setdefault(number, []).append(message)
            return
        self._is_busy = True
        self._loop.call_soon(self._look_again)
        self._write(wire.DATA, number, message)

    def _look_again(self) -> None:
        if self._outbox:
            self._flush()
            self._loop.call_soon(self._look_again)
        else:
            self._is_busy = False

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, {}
        for number, messages in outbox.items():
            batch: list[bytes] = []
            size = 0
            for message in messages:
                if batch and size + len(message) > RECORD:
                    self._write(wire.DATA, number, *batch)
                    batch, size = [], 0
                batch.append(message)
                size += len(message)
            self._write(wire.DATA, number, *batch)

    def _hear(
        self,
        source: str,
        kind: int,
        from_opener: bool,
        number: int,
        place: int,
        body: memoryview,
    ) -> None:
        key = source, number, not from_opener
        link = self._links.get(key)
        if link is None:
            if kind == wire.OPEN and from_opener and self._is_open:
                self._called(key, place, bytes(body))
            return  # else it is of a link that is closed here
        if not link.follows(place):
            return
        call = self._calls.get(key)
        if call is None or call.answer.done():
            link.hear(kind, body)
        elif kind == wire.ACCEPT:
            call.answer.set_result(None)
        else:
            text = bytes(body).decode(errors="replace")
            refusal = ConnectionError(f"{link.peer.name} refused the link: {text}")
            call.answer.set_exception(refusal)

    def _called(self, key: Key, place: int, description: bytes) -> None:
        """Take a link that another node opens, or refuse it and touch nothing."""
        try:
            peer = wire.peer_from(description)
            if peer.incarnation != key[0]:
                raise wire.Malformed(f"{key[0]} must not be {peer.incarnation}")
        except wire.Malformed as error:
            logger.warning("a call is refused: %s", error)
            return
        link = RayLink(peer, key[1], False, self._post, self._closed)
        if not link.follows(place):
            return
        self._links[key] = link
        if peer.incarnation in self._numbers:
            self._accept(link)
            return
        # It knows of this node before this one knows of it, for a moment.
        task = self._loop.create_task(self._accept_later(link))
        self._callers.add(task)
        task.add_done_callback(self._callers.discard)

    async def _accept_later(self, link: RayLink) -> None:
        try:
            async with asyncio.timeout(CONNECT):
                while link.peer.incarnation not in self._numbers:
                    waiter: asyncio.Future[None] = self._loop.create_future()
                    self._news.add(waiter)
                    try:
                        await waiter
                    finally:
                        self._news.discard(waiter)
        except TimeoutError:
            logger.warning("a call from %s is refused: unknown", link.peer.name)
            link.cut(LinkClosed("the caller is not listed"))
            return
        self._accept(link)

    def _accept(self, link: RayLink) -> None:
        link.say(wire.ACCEPT)
        try:
            receiver = self._listener.accepted(link)
        except Exception as error:  # the layer above must not take the engine along
            logger.exception("%r could not be taken", link)
            link.close(error)
            return
        link.start(receiver)
