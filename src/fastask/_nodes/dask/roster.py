"""Roster: which nodes are up, from what the head lists and what links still say.

A node goes down when the head no longer lists it and no link to it is open: a link that
lives proves more than a head that has lost sight. While there is no head the roster
stands still; when there is one again, nodes have some time to be listed again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from fastask._nodes.engine import Peer

Told = Callable[[Peer], None]


class Roster:
    """The other nodes, by name. It calls `up` and `down` once for each change."""

    def __init__(self, name: str, up: Told, down: Told) -> None:
        self._name = name
        self._tell_up = up
        self._tell_down = down
        self._up: dict[str, Peer] = {}
        self._listed: dict[str, Peer] = {}  # by the address where the head reaches it
        self._places: dict[str, str] = {}  # that address, by incarnation
        self._links: Counter[str] = Counter()  # by incarnation
        self._is_settled = True

    @property
    def peers(self) -> Mapping[str, Peer]:
        """The nodes that are up."""
        return dict(self._up)

    def find(self, name: str) -> Peer | None:
        """Return the node of that name, None when it is not up."""
        return self._up.get(name)

    def joined(self, address: str, peer: Peer) -> None:
        """Take note of a node that the head lists, at that address."""
        if peer.name == self._name:
            return
        self._listed[address] = peer
        self._places[peer.incarnation] = address
        known = self._up.get(peer.name)
        if known is not None:
            if known.incarnation == peer.incarnation:
                return
            self._go_down(known)
        self._up[peer.name] = peer
        self._tell_up(peer)

    def left(self, address: str) -> None:
        """Take note that the head lists no node at that address any more."""
        peer = self._listed.pop(address, None)
        if peer is None:
            return
        if self._places.get(peer.incarnation) == address:
            del self._places[peer.incarnation]
        self._look_at(peer)

    def replace(self, listed: Mapping[str, Peer]) -> None:
        """Take the head's whole list; who is missing has until `settle`."""
        self._forget_list()
        for address, peer in listed.items():
            self.joined(address, peer)

    def stand_still(self) -> None:
        """Take note that there is no head: nothing changes until `settle`."""
        self._forget_list()
        self._is_settled = False

    def settle(self) -> None:
        """Let nodes go down that are neither listed nor linked."""
        self._is_settled = True
        for peer in list(self._up.values()):
            self._look_at(peer)

    def linked(self, peer: Peer) -> None:
        """Take note of an open link."""
        self._links[peer.incarnation] += 1

    def unlinked(self, peer: Peer) -> None:
        """Take note that a link is closed."""
        self._links[peer.incarnation] -= 1
        if not self._links[peer.incarnation]:
            del self._links[peer.incarnation]
            self._look_at(peer)

    def _look_at(self, peer: Peer) -> None:
        """Let a node go down, unless something still speaks for it."""
        known = self._up.get(peer.name)
        if known is None or known.incarnation != peer.incarnation:
            return
        if not self._is_settled or self._links[peer.incarnation]:
            return
        if peer.incarnation not in self._places:
            self._go_down(known)

    def _forget_list(self) -> None:
        self._listed.clear()
        self._places.clear()

    def _go_down(self, peer: Peer) -> None:
        del self._up[peer.name]
        self._tell_down(peer)
