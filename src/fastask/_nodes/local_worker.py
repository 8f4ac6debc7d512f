"""Local worker: a node that a program has spawned, from the first line to the last."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from fastask._nodes.channel import Channel, Message
from fastask._nodes.engine import Caps, Link, Listener, Peer, Receiver
from fastask._nodes.socket_link import SocketLink, open_link

CAPS = Caps(
    ordered=True, addressable=True, launches=False, head=True, least_ticktime=0.1
)


@dataclass(frozen=True)
class Settings:
    """What a worker is told at its start."""

    name: str
    incarnation: str
    parent: Peer
    app: Any
    ticktime: float


class MemberEngine:
    """The part of a worker; its parent knows the others."""

    caps = CAPS

    def __init__(self, control: socket.socket, settings: Settings) -> None:
        self.settings = settings
        self._control = control
        self._peers: dict[str, Peer] = {}
        self._waiting: dict[int, asyncio.Future[socket.socket | None]] = {}
        self._count = itertools.count(1)
        self._opening: set[asyncio.Task[SocketLink]] = set()

    async def start(
        self,
        name: str,
        *,
        join: str | None,
        security: Any,
        net_ticktime: float,
        listener: Listener,
    ) -> Peer:
        """Begin to listen to the parent."""
        self.loop = asyncio.get_running_loop()
        self.stopped: asyncio.Future[None] = self.loop.create_future()
        self.listener = listener
        self.channel = Channel(self.loop, self._control, self._receive, self._alone)
        return Peer(name, self.settings.incarnation, f"pid {os.getpid()}")

    def ready(self) -> None:
        """Tell the parent that this node is up."""
        self.channel.send({"op": "ready"})

    def peers(self) -> Mapping[str, Peer]:
        """Return the parent and the other workers that are up."""
        return self._peers

    async def connect(self, name: str, receiver: Receiver) -> Link:
        """Have the parent make a link to another node."""
        number = next(self._count)
        given: asyncio.Future[socket.socket | None] = self.loop.create_future()
        self._waiting[number] = given
        self.channel.send({"op": "connect", "number": number, "name": name})
        try:
            own = await given
        finally:
            self._waiting.pop(number, None)
        peer = self._peers.get(name)
        if own is None or peer is None:
            if own is not None:
                own.close()
            raise ConnectionError(f"{name} is not up")
        return await open_link(own, peer, lambda link: receiver)

    async def stop(self) -> None:
        """Listen no more."""
        self.channel.close()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _receive(self, message: Message, given: socket.socket | None) -> None:
        op = message["op"]
        if op == "link":
            waiting = self._waiting.get(message["number"])
            if waiting is not None and not waiting.done():
                waiting.set_result(given)
            elif given is not None:
                given.close()
            return
        if op == "stop":
            self._alone()
            return
        peer = Peer(message["name"], message["incarnation"], message["address"])
        if op == "up":
            self._peers[peer.name] = peer
            self.listener.peer_up(peer)
        elif op == "down":
            known = self._peers.get(peer.name)
            if known is not None and known.incarnation == peer.incarnation:
                del self._peers[peer.name]
            self.listener.peer_down(peer)
        elif op == "accept" and given is not None:
            task = self.loop.create_task(open_link(given, peer, self.listener.accepted))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _alone(self) -> None:
        if not self.stopped.done():
            self.stopped.set_result(None)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)


def serve(control: socket.socket, pulse: socket.socket, settings: Settings) -> None:
    """Be a node until the parent says so, or is gone."""
    # Ctrl-C reaches the whole group, and it is the parent who decides. No SIG_IGN:
    # programs that a function starts would inherit it.
    signal.signal(signal.SIGINT, _pass)
    threading.Thread(target=_beat, args=(pulse,), daemon=True).start()
    from fastask.runtime import run  # here: the thread above answers meanwhile

    run(_be_a_node, MemberEngine(control, settings))


def _pass(number: int, frame: FrameType | None) -> None:
    pass


def _beat(pulse: socket.socket) -> None:
    """Answer the parent, also while the loop is busy; end with the parent."""
    try:
        while beat := pulse.recv(64):
            pulse.sendall(beat)
    except OSError:
        pass  # as good as its end
    os._exit(1)


async def _be_a_node(engine: MemberEngine) -> None:
    from fastask.distribution import connect  # it knows the engines by name, and so us

    settings = engine.settings
    async with connect(
        engine=engine,
        name=settings.name,
        app=settings.app,
        net_ticktime=settings.ticktime,
    ):
        engine.ready()
        await asyncio.shield(engine.stopped)
