"""Events: what is told of nodes that come and go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NodeUp:
    """A node has joined the cluster. Elixir: `{:nodeup, node}`."""

    node: str

    __module__ = "fastask"


@dataclass(frozen=True)
class NodeDown:
    """A node has left the cluster, or is lost. Elixir: `{:nodedown, node}`."""

    node: str

    __module__ = "fastask"
