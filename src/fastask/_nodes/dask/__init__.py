"""Nodes on Dask `distributed`: its membership, its connections and its certificates.

Dask's task scheduler is used as the head of the cluster: it lists the nodes and tells
each of the others. No task of Dask runs here. A node listens for links at a port of its
own, so links live on when the head dies.
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("distributed") is None:
    raise ModuleNotFoundError(
        'the engine "dask" needs Dask distributed: pip install "fastask-otp[dask]"',
        name="distributed",
    )

from fastask._nodes.dask.engine import DaskEngine

__all__ = ["DaskEngine", "make_engine"]


def make_engine(workers: int | None, app: object) -> DaskEngine:
    """Return the engine that `connect(engine="dask")` means.

    Args:
        workers: None, as this engine starts no nodes.
        app: What the node runs, which is no concern of the engine.

    Raises:
        ValueError: If `workers` is not None.
    """
    if workers is not None:
        raise ValueError(f"workers must be None for engine='dask', got {workers!r}")
    return DaskEngine()
