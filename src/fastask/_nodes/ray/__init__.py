"""Nodes on a Ray cluster that runs already: its membership and its actor calls.

A node has an actor of Ray on its machine, its host, which carries its frames and dies
with it. No task of Ray runs here, and Ray is not loaded into the node's own process.
"""

from __future__ import annotations

from fastask._nodes.ray.engine import RayEngine

__all__ = ["RayEngine", "make_engine"]


def make_engine(workers: int | None, app: object) -> RayEngine:
    """Return the engine that `connect(engine="ray")` means.

    Args:
        workers: None, as this engine starts no nodes.
        app: What the node runs, which is no concern of the engine.

    Raises:
        ValueError: If `workers` is not None.
        ModuleNotFoundError: If Ray is not installed.
    """
    if workers is not None:
        raise ValueError(f"workers must be None for engine='ray', got {workers!r}")
    return RayEngine()
