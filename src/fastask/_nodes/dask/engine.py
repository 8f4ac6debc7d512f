"""DaskEngine: one node's part in a cluster whose head is a Dask scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import uuid
from collections.abc import Mapping
from typing import Any, cast

from distributed.comm.core import BaseListener, Comm, connect, listen

from fastask._core.errors import NameTakenError
from fastask._nodes.dask import handshake
from fastask._nodes.dask.handshake import Refused
from fastask._nodes.dask.link import DaskLink
from fastask._nodes.dask.membership import Membership, Place
from fastask._nodes.dask.roster import Roster
from fastask._nodes.dask.security import (
    check_host,
    head_address,
    host_towards,
    security_of,
)
from fastask._nodes.dask.settings import CONNECT, LEAST_TICKTIME, settings
from fastask._nodes.engine import Caps, Link, Listener, Peer, Receiver
from fastask._nodes.ticking import LOST_TICKS, LinkClosed

FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0
"""Seconds between two attempts to find the head again."""

LEAST_GRACE = 10.0
"""Seconds at least that the others have to find a head that is back."""

LONGEST_GRACE = 10
"""So many times longer it may get, while nodes keep coming."""

logger = logging.getLogger("fastask")


class DaskEngine:
    """One node's part in a cluster whose head is a Dask scheduler.

    When the head dies, links and what runs go on and nobody goes down. The node is
    listed again, under its name and incarnation, when the head is back.

    Args:
        host: Where this node listens; None takes the loopback address when the head is
            on this machine, else the address from which the head is reached.
        port: The port for links; 0 takes a free one.
        labels: What the other nodes see beside the name.
    """

    caps = Caps(
        ordered=True,
        addressable=True,
        launches=False,
        head=True,
        least_ticktime=LEAST_TICKTIME,
    )

    def __init__(
        self,
        *,
        host: str | None = None,
        port: int = 0,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._labels = dict(labels or {})
        self._links: set[DaskLink] = set()
        self._calls: set[Comm] = set()  # that have not said who they are
        self._is_up = False
        self._keeper: asyncio.Task[None] | None = None
        self._membership: Membership | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._settled_by = 0.0
        self._ticking: asyncio.TimerHandle | None = None
        self._server: BaseListener | None = None
        self._listener: Listener
        self._roster: Roster
        self._place: Place
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
            join: The head's address, `HOST:PORT`.
            security: A `distributed.Security`, the paths of PEM files as a mapping with
                the keys `ca`, `cert` and `key`, or None on the loopback address.
            net_ticktime: Seconds after which a silent node counts as lost, 11 or more.
            listener: Who is told of nodes and links.

        Raises:
            ValueError: If an argument is out of its range, or the address is reached
                from other machines and there are no certificates.
            NameTakenError: If a live node has the name.
            ConnectionError: If there is no head, or it refuses this node.
        """
        if self._is_up:
            raise RuntimeError(f"{name!r} cannot start: this engine has started")
        if not net_ticktime >= LEAST_TICKTIME:
            raise ValueError(
                f"net_ticktime must be >= {LEAST_TICKTIME:g} s, got {net_ticktime!r}"
            )
        if join is None:
            raise ValueError(
                "join must be the address of a head, got None; "
                "start one with: python -m fastask scheduler"
            )
        secure = security_of(security)
        head = head_address(join, secure)
        host = host_towards(head) if self._host is None else self._host
        check_host(host, secure)
        self._place = Place(head, host, secure)
        self._net_ticktime = net_ticktime
        self._listener = listener
        self._roster = Roster(name, self._peer_up, self._peer_down)
        settings.hold(net_ticktime)
        self._is_up = True
        try:
            await self._join(name)
        except BaseException:  # also a cancellation: nothing is left behind
            await self.stop()
            raise
        self._ticking = asyncio.get_running_loop().call_later(
            net_ticktime / LOST_TICKS, self._tick
        )
        return self._this

    def peers(self) -> Mapping[str, Peer]:
        """Return the other nodes that are up, by name."""
        return self._roster.peers if self._is_up else {}

    async def connect(self, name: str, receiver: Receiver) -> Link:
        """Open a link to a node.

        Raises:
            ConnectionError: If no such node is up, it cannot be reached within five
                seconds, or it refuses.
        """
        wanted = self._roster.find(name) if self._is_up else None
        if wanted is None:
            raise ConnectionError(f"no node {name!r} is up")
        comm = None
        try:
            async with asyncio.timeout(CONNECT):
                comm = await connect(
                    wanted.address,
                    timeout=CONNECT,
                    deserialize=False,
                    **self._place.connection(),
                )
                await handshake.call(comm, self._this, wanted)
            self._check_open(wanted)
        except BaseException as error:
            if comm is not None:
                comm.abort()
            if isinstance(error, ConnectionError):
                raise
            if isinstance(error, OSError | TimeoutError):
                raise ConnectionError(f"{name!r} cannot be reached: {error}") from error
            raise
        link = self._opened(comm, wanted)
        link.start(receiver)
        return link

    async def stop(self) -> None:
        """Leave the cluster: links are closed, nothing stays open or running."""
        if not self._is_up:
            return
        self._is_up = False
        for timer in (self._settling, self._ticking):
            if timer is not None:
                timer.cancel()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._server is not None:
            await self._close_links(self._server)
        if self._membership is not None:
            await self._membership.leave()
        self._keeper = self._server = self._membership = None
        settings.release()

    async def _close_links(self, server: BaseListener) -> None:
        server.stop()
        server.abort_handshaking_comms()
        for comm in list(self._calls):
            comm.abort()
        tasks = [task for link in self._links for task in link.tasks]
        for link in list(self._links):
            link.close(LinkClosed("the node has left the cluster"))
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)  # the turn in which the receivers are told

    async def _join(self, name: str) -> None:
        """Listen for links, then have the head list this node."""
        secure = self._place.security
        listening: Any = listen(
            f"{'tcp' if secure is None else 'tls'}://{self._place.host}:{self._port}",
            self._called,
            deserialize=False,
            default_host=host_towards(self._place.head),
            **({} if secure is None else secure.get_listen_args("worker")),
        )
        server = cast(BaseListener, listening)  # distributed has types in part
        self._server = server
        await server.start()
        self._this = Peer(
            name=name,
            incarnation=uuid.uuid4().hex,
            address=cast(str, server.contact_address),
            labels=self._labels,
        )
        await self._be_listed()
        self._keeper = asyncio.get_running_loop().create_task(
            self._stay_listed(), name=f"fastask node {name}"
        )

    async def _be_listed(self) -> None:
        membership = await Membership.join(self._place, self._this)
        self._membership = membership
        membership.announce(self._this, self)
        try:
            self._roster.replace(await membership.listed())
        except (OSError, TimeoutError) as error:
            raise ConnectionError(
                f"the head did not list the nodes: {error}"
            ) from error

    async def _stay_listed(self) -> None:
        """Be listed again whenever the head was lost and is back."""
        while True:
            assert self._membership is not None
            await self._membership.lost()
            logger.warning("%s has lost its head, links go on", self._this.name)
            self._roster.stand_still()
            if self._settling is not None:
                self._settling.cancel()
                self._settling = None
            await self._find_head()
            logger.warning("%s has found its head again", self._this.name)
            loop = asyncio.get_running_loop()
            self._settled_by = loop.time() + LONGEST_GRACE * self._grace()
            self._settling = loop.call_later(self._grace(), self._settle)

    async def _find_head(self) -> None:
        wait = FIRST_WAIT
        while True:
            if self._membership is not None:
                await asyncio.shield(self._membership.leave())
                self._membership = None
            try:
                return await self._be_listed()
            except (ConnectionError, NameTakenError) as error:
                logger.debug("%s is not listed: %s", self._this.name, error)
            except Exception:  # whatever it is, the head may be right the next time
                logger.exception("%s could not be listed", self._this.name)
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, LONGEST_WAIT)

    def joined(self, address: str, peer: Peer) -> None:
        """Take the news of a node; where many return, the others need longer."""
        self._roster.joined(address, peer)
        if self._settling is not None:
            self._settling.cancel()
            loop = asyncio.get_running_loop()
            when = min(loop.time() + self._grace(), self._settled_by)
            self._settling = loop.call_at(when, self._settle)

    def left(self, address: str) -> None:
        """Take the news that the head has lost a node."""
        self._roster.left(address)

    def _grace(self) -> float:
        """Seconds that nodes have to find a head that is back."""
        return max(LEAST_GRACE, self._net_ticktime / LOST_TICKS)

    def _settle(self) -> None:
        self._settling = None
        self._roster.settle()

    def _peer_up(self, peer: Peer) -> None:
        if self._is_up:
            self._listener.peer_up(peer)

    def _peer_down(self, peer: Peer) -> None:
        if not self._is_up:
            return
        for link in list(self._links):
            if link.peer.incarnation == peer.incarnation:
                link.close(LinkClosed(f"{peer.name} is down"))
        self._listener.peer_down(peer)

    def _check_open(self, peer: Peer) -> None:
        """Refuse a link when the world has changed during its handshake."""
        known = self._roster.find(peer.name) if self._is_up else None
        if known is None or known.incarnation != peer.incarnation:
            raise Refused(f"{peer.name!r} is not up as {peer.incarnation!r}")

    def _opened(self, comm: Comm, peer: Peer) -> DaskLink:
        link = DaskLink(comm, peer, self._closed)
        self._links.add(link)
        self._roster.linked(peer)
        return link

    def _closed(self, link: DaskLink) -> None:
        self._links.discard(link)
        self._roster.unlinked(link.peer)

    async def _called(self, comm: Comm) -> None:
        """Take a link that another node opens, or close it and touch nothing."""
        self._calls.add(comm)
        try:
            async with asyncio.timeout(CONNECT):
                peer = await self._identified(comm)
                self._check_open(peer)
                await handshake.accept(comm)
            self._check_open(peer)
        except Exception as error:  # whoever calls must not be able to stop us
            logger.warning("a call from %s is refused: %r", comm.peer_address, error)
            comm.abort()
            return
        finally:
            self._calls.discard(comm)
        link = self._opened(comm, peer)
        try:
            receiver = self._listener.accepted(link)
        except Exception as error:  # the layer above must not take the listener along
            logger.exception("%r could not be taken", link)
            link.close(error)
            return
        link.start(receiver)

    async def _identified(self, comm: Comm) -> Peer:
        """Return who calls, as the head lists it."""
        try:
            peer = await handshake.listen_to(comm, self._this)
            known = self._roster.find(peer.name)
            if known is None or known.incarnation != peer.incarnation:
                await self._ask_head()
                self._check_open(peer)
        except Refused as error:
            with contextlib.suppress(OSError):
                await handshake.refuse(comm, error)
            raise
        return peer

    async def _ask_head(self) -> None:
        """Look for a node whose news have not come yet."""
        if self._membership is None:
            return
        with contextlib.suppress(OSError, TimeoutError):
            for address, peer in (await self._membership.listed()).items():
                self._roster.joined(address, peer)

    def _tick(self) -> None:
        for link in list(self._links):
            link.tick()
        self._ticking = asyncio.get_running_loop().call_later(
            self._net_ticktime / LOST_TICKS, self._tick
        )
