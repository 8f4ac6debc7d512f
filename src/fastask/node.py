"""Nodes: this program is one, and knows no other yet."""

from __future__ import annotations

from fastask._core.names import LOCAL_NODE, Address, Via

__all__ = ["Address", "Via", "node", "nodes"]


def node() -> str:
    """Return the name of this node, `"nonode@nohost"` while it is in no cluster.

    Example:
        ```python
        import fastask

        assert fastask.node() == "nonode@nohost"
        ```

    Elixir: `node/0`.
    """
    return LOCAL_NODE


def nodes() -> list[str]:
    """Return the names of the other nodes: none while this one is in no cluster.

    Elixir: `Node.list/0`.
    """
    return []
