"""Engine: what a cluster's transport must do, and all that it must do.

An engine carries membership, transport, the detection of failures and security. It
knows nothing of processes: what travels in a frame, and what a lost link means, is told
in the rooms above. All methods are called in the thread of the loop, and call back in
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Buffer", "Caps", "Engine", "Frame", "Link", "Listener", "Peer", "Receiver"]

Buffer = bytes | bytearray | memoryview
Frame = Sequence[Buffer]
"""What is sent in one piece: any number of buffers, which arrive as such."""


@dataclass(frozen=True)
class Caps:
    """What an engine can do."""

    ordered: bool
    """The frames of a link arrive in order, or the link is closed."""
    addressable: bool
    """Who only calls can be called, too; else it is a hidden node."""
    launches: bool
    """The engine starts nodes itself."""
    head: bool
    """There is a head: when that is gone, membership stands still."""
    least_ticktime: float
    """Seconds: the shortest `net_ticktime` that it can keep."""
    largest_frame: int | None = None
    """Bytes of a frame at most."""


@dataclass(frozen=True)
class Peer:
    """A node as others see it. A node that comes back is another incarnation."""

    name: str
    incarnation: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    hidden: bool = False


class Receiver(Protocol):
    """Who gets what a link brings."""

    def received(self, frame: list[Buffer]) -> None:
        """Take a frame; its buffers are the receiver's. An error closes the link."""

    def closed(self, reason: object) -> None:
        """Be told, exactly once, that the link is no more."""


class Link(Protocol):
    """Both directions between two nodes, in order, at most once."""

    @property
    def peer(self) -> Peer: ...

    def send(self, frame: Frame) -> None:
        """Send a frame soon; never waits, never raises, does nothing once closed."""

    async def drain(self) -> None:
        """Wait until there is room to send; returns at once when closed."""

    def close(self, reason: object = None) -> None:
        """Close at once; `closed` is called in a later turn of the loop."""


class Listener(Protocol):
    """Who is told about the cluster."""

    def peer_up(self, peer: Peer) -> None: ...

    def peer_down(self, peer: Peer) -> None: ...

    def accepted(self, link: Link) -> Receiver:
        """Take a link that another node has opened, even before `start` is over."""
        ...


class Engine(Protocol):
    """One node's part in a cluster."""

    caps: Caps

    async def start(
        self,
        name: str,
        *,
        join: str | None,
        security: Any,
        net_ticktime: float,
        listener: Listener,
    ) -> Peer:
        """Join the cluster under a name; return this node as others see it."""
        ...

    def peers(self) -> Mapping[str, Peer]:
        """Return the other nodes that are up, by name."""
        ...

    async def connect(self, name: str, receiver: Receiver) -> Link:
        """Open a link to a node, or raise `ConnectionError`."""
        ...

    async def stop(self) -> None:
        """Leave the cluster: links are closed, nothing stays open or running."""
