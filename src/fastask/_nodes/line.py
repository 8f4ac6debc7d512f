"""Line: a link from its first frame on: greetings, and then a session.

Who opens a link greets, and the other side welcomes it or turns it away. When two nodes
open links to each other at the same time, that of the node with the lesser name stays.
A greeting has a number of its own, and that of the last link of the other node that was
welcomed: so one that was sent before that is known, however late it arrives.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from fastask._nodes.engine import Link
from fastask._nodes.session import Session
from fastask._nodes.wire import (
    CONTROL,
    HEAD,
    HEADER,
    MAGIC,
    VERSION,
    FrameError,
    Kind,
    Message,
    pack_texts,
    parse,
    parse_texts,
)

if TYPE_CHECKING:
    from fastask._nodes.cluster import Cluster

_LOGGER = logging.getLogger("fastask")

CROSSED = "crossed"
"""Why a link is turned away that the other side opened at the same time."""


class Line:
    """The receiver of one link."""

    def __init__(self, cluster: Cluster, session: Session | None) -> None:
        self.cluster = cluster
        self.session = session  # of who opens; else from the greeting on
        self.link: Link | None = None
        self.is_opener = session is not None
        self.is_open = False
        self.is_over = False
        self.ready: asyncio.Future[None] = cluster.loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0  # of the greeting

    # Greetings.

    def greet(self, link: Link) -> None:
        """Begin to use a link that this node has opened."""
        session = self.session
        assert session is not None
        if self.is_over or session.is_closed or session.link is not None:
            # What was to be said has gone by a link that the other side opened.
            self.is_over = True
            link.close(CROSSED)
            self._settle()
            return
        self.link = link
        self.cluster.track(self, True)
        self._number = next(self.cluster.greetings)
        welcomed = self.cluster.last_welcomed(session.name, session.incarnation)
        self._say(Kind.HELLO, session.incarnation, serial=self._number, number=welcomed)

    def accept(self, link: Link) -> None:
        """Begin to use a link that another node has opened: it must greet in time."""
        self.link = link
        self.cluster.track(self, True)
        self._timer = self.cluster.loop.call_later(
            self.cluster.limit, self.close, "it did not greet"
        )

    async def established(self) -> None:
        """Wait until a session has the link, or it is over."""
        await self.ready

    def _say(self, kind: Kind, *texts: str, serial: int = 0, number: int = 0) -> None:
        cluster = self.cluster
        assert cluster.me is not None
        assert self.link is not None
        data = pack_texts(cluster.name, cluster.me.incarnation, cluster.main, *texts)
        head = HEAD.pack(MAGIC, VERSION, CONTROL, 1, cluster.mark, 0)
        first = HEADER.pack(kind, 0, 0, len(data), serial, number, 0)
        self.link.send([head + first + data])

    # What the engine calls.

    def received(self, frame: list[bytes | bytearray | memoryview]) -> None:
        """Take a frame."""
        if self.cluster.me is None:
            # Others see this node, and may call it, before it knows what it is called.
            self.cluster.early.append((self, frame))
            return
        if self.is_open:
            assert self.session is not None
            self.session.received(frame)
            return
        if self.is_over:
            return
        try:
            _, mark, seq, messages = parse(frame)
            if len(messages) != 1 or seq != 0:
                raise FrameError("the first frame is a greeting, got another one")
            self._greeted(mark, messages[0])
        except FrameError as error:
            link = self.link
            name = link.peer.name if link is not None else "a node"
            _LOGGER.error(
                "the link to %s is closed, as it greeted wrongly: %s", name, error
            )
            self.give_up(error)

    def closed(self, reason: object) -> None:
        """The link is no more."""
        self.link = None
        self.give_up(reason)

    # Their outcome.

    def _greeted(self, mark: int, message: Message) -> None:
        kind, data = message[0], message[5]
        wanted = (Kind.WELCOME, Kind.REJECT) if self.is_opener else (Kind.HELLO,)
        if kind not in wanted:
            raise FrameError(f"a greeting is one of {wanted}, got {kind}")
        name, incarnation, main, last = parse_texts(data, 4)
        if mark != self.cluster.mark_of(incarnation):
            raise FrameError("a greeting has the mark of its incarnation")
        if kind == Kind.HELLO:
            assert self.cluster.me is not None
            if last != self.cluster.me.incarnation:
                self._reject("another incarnation is meant")
            else:
                self._answer(name, incarnation, main, message)
        elif kind == Kind.REJECT:
            self._rejected(last)
        else:
            session = self.session
            assert session is not None
            if (name, incarnation) != (session.name, session.incarnation):
                raise FrameError(
                    f"{session.name} is meant, as {session.incarnation}, "
                    f"got {name} as {incarnation}"
                )
            self._open(session, main)

    def _answer(self, name: str, incarnation: str, main: str, message: Message) -> None:
        cluster = self.cluster
        serial, number = message[2], message[3]
        assert self.link is not None
        if self.link.peer.name not in ("", name):
            raise FrameError(
                f"the engine knows it as {self.link.peer.name}, got {name}"
            )
        session = cluster.session_with(name)
        if session is None or session.incarnation != incarnation:
            session = Session(cluster, name, incarnation)
        elif cluster.name < name and self._crosses(session, number):
            self._reject(CROSSED)
            return
        elif session.link is not None:
            session = Session(cluster, name, incarnation)
        self._say(Kind.WELCOME, "")
        cluster.welcomed[name] = incarnation, serial
        cluster.take_over(name, session)
        self._open(session, main)

    @staticmethod
    def _crosses(session: Session, number: int) -> bool:
        """Whether the other node greeted before it welcomed the link of this one."""
        if session.link is None:
            return not session.awaits
        return session.greeted_as not in (0, number)

    def _open(self, session: Session, main: str) -> None:
        assert self.link is not None
        if session.is_closed or session.link is not None:
            self.give_up("it is not needed any more")
            return
        self.session = session
        session.greeted_as = self._number
        self.is_open = True
        shares_main = main != "" and main == self.cluster.main
        self._settle()
        session.establish(self.link, shares_main)

    def _reject(self, why: str) -> None:
        self._say(Kind.REJECT, why)
        self.close(why)

    def _rejected(self, why: str) -> None:
        if why == CROSSED:
            # The session waits for the link that the other side opened.
            session, self.session = self.session, None
            if session is not None:
                session.awaits = True
                self.cluster.loop.call_later(self.cluster.limit, session.expire)
            self.close(why)
            return
        self.give_up(why)

    # Its end.

    def close(self, reason: object) -> None:
        """Close the link; a session of it ends."""
        link, self.link = self.link, None
        if link is not None:
            link.close(reason)
        self.give_up(reason)

    def give_up(self, reason: object) -> None:
        """There is no such link, or no longer: the session has nothing to wait for."""
        was_open, self.is_open = self.is_open, False
        self.is_over = True
        self._settle()
        self.cluster.track(self, False)
        link, self.link = self.link, None
        if link is not None:
            link.close(reason)
        session, self.session = self.session, None
        if session is not None and (was_open or session.link is None):
            session.close(reason)

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.ready.done():
            self.ready.set_result(None)
