"""Events: what is told of nodes that come and go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NodeUp:
    """A node has joined the cluster. Elixir: `{:nodeup, node}`."""

    node: str


@dataclass(frozen=True)
class NodeDown:
    """A node has left the cluster, or is lost. Elixir: `{:nodedown, node}`."""

    node: str


# Not in their bodies: dataclasses of Python 3.15 would look for `str` in fastask, which
# would have it load itself, perhaps a second time.
NodeUp.__module__ = NodeDown.__module__ = "fastask"
