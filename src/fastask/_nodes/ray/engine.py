"""RayEngine: one node's part in a Ray cluster that runs already."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import uuid
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from fastask._core.errors import NameTakenError
from fastask._nodes.engine import Caps, Link, Listener, Peer, Receiver
from fastask._nodes.ray import wire
from fastask._nodes.ray.pipe import Pipe, opened
from fastask._nodes.ray.security import (
    cluster_address,
    environment_for,
    is_protected,
)
from fastask._nodes.ray.switch import Switch
from fastask._nodes.ticking import LOST_TICKS

LEAST_TICKTIME = 1.0
"""Seconds: a tick is a call, of about a millisecond of a CPU on each side."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds between two attempts to join again."""

logger = logging.getLogger("fastask")


class RayEngine:
    """One node's part in a Ray cluster that runs already.

    When the node's host dies, all links are closed and all nodes go down. The node
    joins again, under its name and incarnation, as soon as the cluster lets it.

    Args:
        labels: What the other nodes see beside the name.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        OSError: On Windows.
    """

    caps = Caps(
        ordered=True,
        addressable=True,
        launches=False,
        head=True,
        least_ticktime=LEAST_TICKTIME,
    )

    def __init__(self, *, labels: Mapping[str, str] | None = None) -> None:
        if find_spec("ray") is None:
            raise ModuleNotFoundError(
                'the engine "ray" needs Ray: pip install "fastask-otp[ray]"', name="ray"
            )
        if os.name == "nt":
            raise OSError(wire.UNIX_ONLY)
        self._labels = dict(labels or {})
        self._is_up = False
        self._pipe: Pipe | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._places: dict[int, Peer] = {}  # by the number that the host gave
        self._peers: dict[str, Peer] = {}
        self._switch: Switch
        self._listener: Listener
        self._loop: asyncio.AbstractEventLoop
        self._join: str
        self._environment: Mapping[str, str]
        self._this: Peer

    async def start(
        self,
        name: str,
        *,
        join: str | None,
        security: Any,
        net_ticktime: float,
        listener: Listener,
    ) -> Peer:
        """Join the cluster under a name; return this node as others see it.

        Args:
            name: Of this node, which no live node of the cluster has.
            join: `"auto"`, or `HOST:PORT` of a Ray cluster that has a node on this
                machine.
            security: None for what Ray's environment variables say, or paths as a
                mapping with the key `token`, the keys `ca`, `cert` and `key`, or all
                four.
            net_ticktime: Seconds after which a silent link counts as lost, 1 or more.
            listener: Who is told of nodes and links.

        Raises:
            ValueError: If an argument is out of its range.
            NameTakenError: If a live node has the name.
            ConnectionError: If there is no such cluster, or it starts no host.
        """
        if self._is_up:
            raise RuntimeError(f"{name!r} cannot start: this engine has started")
        if not net_ticktime >= LEAST_TICKTIME:
            raise ValueError(
                f"net_ticktime must be >= {LEAST_TICKTIME:g} s, got {net_ticktime!r}"
            )
        if not name:
            raise ValueError(f"name must not be empty, got {name!r}")
        self._join = cluster_address(join)
        self._environment = environment_for(security)
        if not is_protected(self._environment):
            logger.warning(
                "%s joins a Ray cluster without a token or TLS: whoever reaches one of "
                "its ports can run code here, see docs/nodes-ray.md",
                name,
            )
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._switch = Switch(listener, self._write)
        self._net_ticktime = net_ticktime
        self._this = Peer(name, uuid.uuid4().hex, "unknown", self._labels)
        self._is_up = True
        try:
            await self._open()
        except BaseException:  # also a cancellation: nothing is left behind
            await self.stop()
            raise
        self._ticking = self._loop.call_later(net_ticktime / LOST_TICKS, self._tick)
        return self._this

    def peers(self) -> Mapping[str, Peer]:
        """Return the other nodes that are up, by name."""
        return dict(self._peers) if self._is_up else {}

    async def connect(self, name: str, receiver: Receiver) -> Link:
        """Open a link to a node.

        Raises:
            ConnectionError: If no such node is up, it does not answer within five
                seconds, or it refuses.
        """
        peer = self._peers.get(name) if self._is_up else None
        if peer is None:
            raise ConnectionError(f"no node {name!r} is up")
        return await self._switch.open(self._this, peer, receiver)

    async def stop(self) -> None:
        """Leave the cluster: links are closed, nothing stays open or running."""
        if not self._is_up:
            return
        self._is_up = False
        if self._ticking is not None:
            self._ticking.cancel()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self._switch.close()
        if self._pipe is not None:
            await self._pipe.leave()
        await asyncio.sleep(0)  # the turn in which the receivers are told
        self._keeper = self._pipe = self._ticking = None
        self._places.clear()
        self._peers.clear()

    # This node's host.

    async def _open(self) -> None:
        self._pipe = pipe = Pipe(self)
        try:
            self._this = await opened(pipe, self._this, self._join, self._environment)
        except BaseException:  # also a cancellation: nothing is left behind
            pipe.abort()
            self._pipe = None
            self._lose_all("the host of this node did not start")
            raise

    def _write(self, kind: int, number: int, *payload: bytes) -> None:
        if self._pipe is not None:
            self._pipe.write(kind, number, *payload)

    def told(self, kind: int, number: int, payload: bytes) -> None:
        """Take a record of the host."""
        if kind == wire.DATA:
            self._switch.arrived(payload)
        elif kind == wire.UP:
            self._comes(number, payload)
        elif kind == wire.LOST:
            peer = self._places.get(number)
            if peer is not None:
                self._switch.cut(peer, payload.decode())
        elif kind == wire.DOWN:
            self._goes(number, payload.decode())

    def lost(self, pipe: Pipe) -> None:
        """Take note that the host is dead: nobody can be reached."""
        if not self._is_up or pipe is not self._pipe:
            return
        logger.warning("%s has lost its host in Ray", self._this.name)
        self._pipe = None
        self._lose_all("the host of this node is dead")
        self._keeper = self._loop.create_task(
            self._join_again(), name=f"fastask node {self._this.name}"
        )

    def _lose_all(self, reason: str) -> None:
        for number in list(self._places):
            self._goes(number, reason)

    async def _join_again(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                await self._open()
            except (ConnectionError, NameTakenError) as error:
                logger.debug("%s cannot join: %s", self._this.name, error)
            except Exception:  # whatever it is, the next time it may be gone
                logger.exception("%s could not join again", self._this.name)
            else:
                logger.warning("%s has joined Ray again", self._this.name)
                return
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, LONGEST_WAIT)

    # The other nodes.

    def _comes(self, number: int, description: bytes) -> None:
        try:
            peer = wire.peer_from(description)
        except wire.Malformed as error:
            logger.warning("Ray lists a host that is none of ours: %s", error)
            return
        known = self._peers.get(peer.name)
        if known is not None:
            for other in [n for n, each in self._places.items() if each is known]:
                self._goes(other, "another one has its name")
        self._places[number] = peer
        self._peers[peer.name] = peer
        self._switch.add(peer, number)
        self._loop.call_soon(self._tell, self._listener.peer_up, peer)

    def _goes(self, number: int, reason: str) -> None:
        peer = self._places.pop(number, None)
        if peer is not None:
            self._switch.remove(peer, reason)
            del self._peers[peer.name]
            self._loop.call_soon(self._tell, self._listener.peer_down, peer)

    def _tell(self, told: Callable[[Peer], None], peer: Peer) -> None:
        if self._is_up:
            told(peer)

    def _tick(self) -> None:
        self._switch.tick()
        delay = self._net_ticktime / LOST_TICKS
        self._ticking = self._loop.call_later(delay, self._tick)
