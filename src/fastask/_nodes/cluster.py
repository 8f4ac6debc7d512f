"""Cluster: this node's part in a cluster, whatever the engine.

It knows the sessions by node, makes them when something is sent and lets them go when
their node is lost, and tells who asked of nodes that come and go.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import weakref
from hashlib import blake2b
from typing import Any

from fastask._core.names import Address
from fastask._core.process import Process
from fastask._core.reason import NOPROC
from fastask._core.ref import Ref, make_ref
from fastask._core.remote import (
    end,
    join_cluster,
    lend,
    ref_target,
    stand_in,
    stand_in_ref,
)
from fastask._core.verb import send
from fastask._nodes.codec import main_of_program
from fastask._nodes.engine import Buffer, Engine, Link, Peer
from fastask._nodes.events import NodeDown, NodeUp
from fastask._nodes.line import Line
from fastask._nodes.session import Session
from fastask._nodes.wire import PROCESS, REF, Message

_LOGGER = logging.getLogger("fastask")


class Cluster:
    """One node in a cluster; the listener of its engine."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self.engine = engine
        self.loop = loop
        self.name = ""
        self.me: Peer | None = None
        self.mark = 0
        self.greetings = itertools.count(1)
        self.welcomed: dict[str, tuple[str, int]] = {}
        self.limit = 60.0
        self.main = main_of_program()
        self._sessions: dict[str, Session] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._lines: set[Line] = set()
        self._subscribers: list[Process[Any]] = []
        self._refs: weakref.WeakValueDictionary[int, Ref]
        self._refs = weakref.WeakValueDictionary()
        self._numbers: weakref.WeakKeyDictionary[Ref, int] = weakref.WeakKeyDictionary()
        self._count = itertools.count(1)
        self._home: weakref.WeakValueDictionary[tuple[int, int], Process[Any]]
        self._home = weakref.WeakValueDictionary()
        self._held: dict[tuple[int, int], list[tuple[Session, Message]]] = {}
        self.early: list[tuple[Line, list[Buffer]]] = []  # came before this node joined
        self._is_left = False

    @staticmethod
    def mark_of(incarnation: str) -> int:
        """Return the number that stands for an incarnation on the wire, never 0."""
        digest = blake2b(incarnation.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") or 1

    # Its life.

    async def join(
        self, name: str, *, join: str | None, security: Any, net_ticktime: float
    ) -> None:
        """Become a node; others may call from now on."""
        self.limit = net_ticktime
        me = await self.engine.start(
            name,
            join=join,
            security=security,
            net_ticktime=net_ticktime,
            listener=self,
        )
        self.me = me
        self.name = me.name
        self.mark = self.mark_of(me.incarnation)
        join_cluster(self.loop, self)
        for line, frame in self.early:
            self.loop.call_soon(line.received, frame)
        self.early.clear()

    async def leave(self) -> None:
        """Say goodbye and be a node no more; all refs end with `NOCONNECTION`."""
        self.hang_up()
        for task in self._opening:
            task.cancel()
        if self._opening:
            await asyncio.gather(*self._opening, return_exceptions=True)
        await self.engine.stop()

    def hang_up(self) -> None:
        """Close all links."""
        if self._is_left:
            return
        self._is_left = True
        for session in list(self._sessions.values()):
            session.say_goodbye()
        for line in list(self._lines):
            line.close("this node leaves")
        join_cluster(self.loop, None)

    # Other nodes.

    def nodes(self) -> list[str]:
        """Return the names of the other nodes that are up and not hidden."""
        return [name for name, peer in self.engine.peers().items() if not peer.hidden]

    def session_to(self, name: str) -> Session | None:
        """Return the session with a node, which may have to be opened, or None."""
        session = self._sessions.get(name)
        if session is not None:
            return session
        peer = self.engine.peers().get(name)
        if peer is None or self._is_left:
            return None
        session = self._sessions[name] = Session(self, name, peer.incarnation)
        task = self.loop.create_task(self._open(session))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return session

    async def _open(self, session: Session) -> None:
        line = Line(self, session)
        try:
            async with asyncio.timeout(self.limit):
                link = await self.engine.connect(session.name, line)
                line.greet(link)
                await line.established()
        except (OSError, TimeoutError) as error:
            _LOGGER.info("no link to %s: %s", session.name, error)
            # Not in a task: what it ends may ask which process runs.
            self.loop.call_soon(line.give_up, error)
        except BaseException:  # raised again
            self.loop.call_soon(line.give_up, "this node leaves")
            raise

    def take_over(self, name: str, session: Session) -> None:
        """Make a session the one with its node; one that was before is lost."""
        before = self._sessions.get(name)
        if before is not None and before is not session:
            before.close("there is a newer link")
        self._sessions[name] = session

    def last_welcomed(self, name: str, incarnation: str) -> int:
        """Return the number of the last greeting of a node that was welcomed, or 0."""
        known, number = self.welcomed.get(name, ("", 0))
        return number if known == incarnation else 0

    def session_with(self, name: str) -> Session | None:
        """Return the session with a node, if there is one."""
        return self._sessions.get(name)

    def forget(self, session: Session) -> None:
        """A session has ended."""
        if self._sessions.get(session.name) is session:
            del self._sessions[session.name]
        for key in [key for key in self._held if key[0] == session.mark]:
            self.release(key)

    # Who is named before he is there.

    def is_to_come(self, origin: int, number: int) -> bool:
        """Tell whether another node may have a process of this name started yet."""
        for session in self._sessions.values():
            if session.mark == origin:
                return number > session.started
        peers = self.engine.peers().values()
        return any(self.mark_of(peer.incarnation) == origin for peer in peers)

    def hold(self, key: tuple[int, int], session: Session, message: Message) -> None:
        """Keep a message for a process that is to come, as long as a node may hang."""
        held = self._held.setdefault(key, [])
        if not held:
            self.loop.call_later(self.limit, self.release, key)
        held.append((session, message))

    def release(self, key: tuple[int, int]) -> None:
        """The process has come, or never will: do what the messages say."""
        for session, message in self._held.pop(key, ()):
            session.hear(message)

    def track(self, line: Line, is_open: bool) -> None:
        """Know which lines are open, to close them in the end."""
        (self._lines.add if is_open else self._lines.discard)(line)

    # What the engine tells.

    def peer_up(self, peer: Peer) -> None:
        """A node has joined."""
        session = self._sessions.get(peer.name)
        if session is not None and session.incarnation != peer.incarnation:
            session.close("the node has come back as another one")
        if not peer.hidden:
            self._tell(NodeUp(peer.name))

    def peer_down(self, peer: Peer) -> None:
        """A node is lost: its refs end first, then the subscribers are told."""
        session = self._sessions.get(peer.name)
        if session is not None and session.incarnation == peer.incarnation:
            session.close("the node is lost")
        if not peer.hidden:
            self._tell(NodeDown(peer.name))

    def accepted(self, link: Link) -> Line:
        """Another node has opened a link; it greets first."""
        line = Line(self, None)
        line.accept(link)
        return line

    def subscribe(self, process: Process[Any], flag: bool) -> None:
        """Send `NodeUp` and `NodeDown` to a process, or no longer."""
        self._subscribers = [p for p in self._subscribers if p.alive and p != process]
        if flag:
            self._subscribers.append(process)

    def _tell(self, message: NodeUp | NodeDown) -> None:
        for process in self._subscribers:
            send(process, message)  # to the dead, nothing

    # Who is meant.

    def find(self, address: Address) -> Process[Any] | None:
        """Return what stands for an address of another node, or None."""
        session = self.session_to(address.node)
        return None if session is None else session.named(address.name)

    def third(
        self, node: str, incarnation: str, origin: int, number: int
    ) -> Process[Any]:
        """Return what stands for a process that a second node knows of a third."""
        session = self.session_to(node)
        if session is not None and session.incarnation == incarnation:
            return session.find_process(origin, number)
        return stand_in(self.loop, None, node, incarnation, origin, number, PROCESS)

    def third_ref(self, node: str, incarnation: str, number: int) -> Ref:
        """Return what stands for a ref that a second node knows of a third."""
        session = self.session_to(node)
        if session is not None and session.incarnation == incarnation:
            return session.find_ref(number)
        return stand_in_ref(
            stand_in(self.loop, None, node, incarnation, 0, number, REF)
        )

    def remember(self, process: Process[Any], name: tuple[int, int]) -> None:
        """A process of this node is known to another one by that name."""
        if name not in self._home:
            self._home[name] = process

    def dead(self, origin: int, number: int) -> Process[Any]:
        """Return the handle of a process of this node that has ended."""
        process = self._home.get((origin, number))
        if process is not None:
            return process
        assert self.me is not None
        lost = stand_in(
            self.loop, None, self.name, self.me.incarnation, origin, number, PROCESS
        )
        end(lost, NOPROC)
        return lost

    def number_of(self, ref: Ref) -> int:
        """Return the number that a ref of this node has on the wire."""
        lend(ref)
        number = self._numbers.get(ref)
        if number is None:
            number = self._numbers[ref] = next(self._count)
            self._refs[number] = ref
        return number

    def own_ref(self, number: int) -> Ref:
        """Return the ref of that number; a fresh one when nobody has it any more."""
        ref = self._refs.get(number)
        return make_ref() if ref is None else ref

    @staticmethod
    def behind(ref: Ref) -> Process[Any] | None:
        """Return the process that a ref is an alias of, or None."""
        return ref_target(ref)
