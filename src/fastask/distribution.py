"""Nodes: programs that use each other's processes, on this machine or on many."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fastask._core.errors import StartError
from fastask._core.names import LOCAL_NODE, Address, Via
from fastask._core.process import Process
from fastask._core.remote import cluster_here, cluster_of_program
from fastask._core.start import check_seconds
from fastask._core.verb import self_
from fastask._nodes.engine import Caps, Engine
from fastask._nodes.events import NodeDown, NodeUp
from fastask._service import Service, Starting

if TYPE_CHECKING:
    from fastask._nodes.cluster import Cluster
    from fastask._nodes.net import NetOptions

__all__ = [
    "Address",
    "Node",
    "NodeDown",
    "NodeUp",
    "Via",
    "connect",
    "monitor_nodes",
    "node",
    "nodes",
]

ENGINES = {
    "local": "fastask._nodes.local:LocalEngine",
    "dask": "fastask._nodes.dask:make_engine",
    "ray": "fastask._nodes.ray:make_engine",
}
"""The engines by name; what makes one is called with `workers` and `app`."""


class Node(Service[Any]):
    """This program as a node of a cluster; made by `connect`.

    Attributes:
        name: What other nodes call it; that is `node()`, too.
    """

    _server: ClassVar[type]
    _supervises = False

    def __init__(self, options: NetOptions) -> None:
        """Nothing starts."""
        self._options = options
        self.known_as: str = options.name

    def __await__(self) -> Generator[Any, None, Self]:
        """Join the cluster; it is left by `stop`, or when the program ends."""
        return self._start().__await__()

    async def _started(self, start: Starting, starter: Process[Any]) -> Self:
        try:
            return await super()._started(start, starter)
        except StartError as error:
            if isinstance(error.reason, Exception):
                raise error.reason from None
            raise

    def __repr__(self) -> str:
        """Tell the name."""
        return f"<Node {self.known_as}>"


def connect(
    engine: str | Engine = "local",
    name: str | None = None,
    *,
    join: str | None = None,
    security: Any = None,
    workers: int | None = None,
    app: Any = None,
    net_ticktime: float = 60.0,
) -> Node:
    """Make this program a node of a cluster.

    Await it, and leave by `await node.stop()`; or use it as `async with`, which leaves
    on the way out. The node is linked to the caller as a supervisor is to who starts
    it. When it leaves, every ref that points to another node ends with `NOCONNECTION`.

    Each node trusts the others: what one sends, another one runs.

    Args:
        engine: `"local"`: worker processes of this program on this machine, restarted
            when they end; the cluster is this program and they. `"dask"`: nodes on
            any machines, with a head (extra `dask`). `"ray"`: nodes on the machines of
            a Ray cluster that runs already, none of which it starts; Linux and macOS
            (extra `ray`). Or an engine that you made.
        name: What other nodes call this one, as `"app@host"`; None makes one of the
            host's name. Workers of `"local"` are called `"app@host/0"` and so on.
        join: Where the cluster is. For `"dask"`: the `HOST:PORT` of its head, which
            `python -m fastask scheduler` starts. For `"ray"`: `"auto"`, or the
            `HOST:PORT` of a Ray cluster that has a node on this machine.
        security: How nodes know each other. For `"dask"`: the paths of PEM files as a
            mapping with the keys `ca`, `cert` and `key`, a `distributed.Security`, or
            None on the loopback address. For `"ray"`: what Ray asks for, as paths in a
            mapping with the key `token`, those three keys, or all four; None takes it
            from Ray's environment variables.
        workers: For `"local"`: how many; None means one for each CPU.
        app: What each node runs, this one too: children for a supervisor, or
            `"module:attribute"`, which is what `python -m fastask run` takes. None
            means one `TaskSupervisor` with the name `"task_supervisor"`. Objects are
            pickled for `"local"`.
        net_ticktime: Seconds after which a node that gives no sign of life is lost.

    Returns:
        The node: awaitable, and an asynchronous context manager.

    Raises:
        ValueError: If an argument has no such value.
        TypeError: If an argument is of a wrong type.
        ModuleNotFoundError: If the engine needs an extra that is not installed.
        AlreadyStartedError: If this node is in a cluster; raised when it is awaited.
        OSError: If the engine is `"ray"` on Windows, which lacks Unix sockets.
        NameTakenError: If a live node of the cluster has the name; raised when awaited.
        ConnectionError: If no head of `"dask"`, or no Ray cluster, lets this node in;
            raised when it is awaited.
        WorkerError: If a worker ended before it was up; raised when it is awaited.

    Example:
        ```python
        import math
        import fastask

        async def main() -> None:
            async with fastask.connect(workers=1):
                (worker,) = fastask.nodes()
                tasks = fastask.TaskSupervisor.ref("task_supervisor", worker)
                assert await tasks.async_(math.factorial, 5) == 120

        if __name__ == "__main__":
            fastask.run(main)
        ```

    Elixir: `Node.start/2` and `Node.connect/1`.
    """
    if isinstance(net_ticktime, bool) or not isinstance(net_ticktime, int | float):
        raise TypeError(
            f"net_ticktime must be a number of seconds, got {net_ticktime!r}"
        )
    made = _engine(engine, workers, app)
    least = made.caps.least_ticktime
    if not net_ticktime >= least:
        raise ValueError(
            f"net_ticktime must be a number of seconds >= {least:g} for this engine, "
            f"got {net_ticktime!r}"
        )
    check_seconds("net_ticktime", net_ticktime)
    if isinstance(app, str):
        module, _, attribute = app.partition(":")
        if not module or not attribute:
            raise ValueError(
                "app must be children for a supervisor, 'module:attribute' or None, "
                f"got {app!r}"
            )
    if name is None:
        name = f"fastask@{socket.gethostname()}"
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    if not name or name == LOCAL_NODE:
        raise ValueError(f"name must not be empty or {LOCAL_NODE!r}, got {name!r}")
    # Who never connects need not wait for what takes longer to import than the rest.
    from fastask._nodes.net import Net, NetOptions

    Node._server = Net
    return Node(NetOptions(made, name, join, security, app, float(net_ticktime)))


def _engine(engine: str | Engine, workers: int | None, app: Any) -> Engine:
    if not isinstance(engine, str):
        if not isinstance(getattr(engine, "caps", None), Caps):
            raise TypeError(
                f"engine must be the name of an engine or an engine, got {engine!r}"
            )
        if workers is not None:
            raise ValueError(f"workers must be None for {engine!r}, got {workers!r}")
        return engine
    if engine not in ENGINES:
        known = ", ".join(repr(each) for each in ENGINES)
        raise ValueError(f"engine must be one of {known} or an engine, got {engine!r}")
    module, _, attribute = ENGINES[engine].partition(":")
    made: Engine = getattr(importlib.import_module(module), attribute)(workers, app)
    return made


def _cluster() -> Cluster | None:
    try:
        cluster: Cluster | None = cluster_here()
    except RuntimeError:  # no loop runs here, as in the thread of a plain function
        cluster = cluster_of_program()
    return cluster


def node() -> str:
    """Return the name of this node, `"nonode@nohost"` while it is in no cluster.

    In a thread without an event loop, it tells of the one cluster that a loop of this
    program is in.

    Example:
        ```python
        import fastask

        assert fastask.node() == "nonode@nohost"
        ```

    Elixir: `node/0`.
    """
    cluster = _cluster()
    return LOCAL_NODE if cluster is None else cluster.name


def nodes() -> list[str]:
    """Return the names of the other nodes that are up; none outside of a cluster.

    In a thread, as `node`.

    Elixir: `Node.list/0`.
    """
    cluster = _cluster()
    return [] if cluster is None else cluster.nodes()


def monitor_nodes(flag: bool) -> None:
    """Have `NodeUp(node)` and `NodeDown(node)` sent to the caller, or no longer.

    When a node is lost, whoever has a link, a monitor or a task there hears of that
    first. The same node that comes back is another `NodeUp`.

    Raises:
        TypeError: If `flag` is not True or False.
        RuntimeError: If this node is in no cluster.

    Elixir: `:net_kernel.monitor_nodes/1`.
    """
    if not isinstance(flag, bool):
        raise TypeError(f"flag must be True or False, got {flag!r}")
    cluster = _cluster()
    if cluster is None:
        raise RuntimeError("this node is in no cluster: fastask.connect joins one")
    cluster.subscribe(self_(), flag)
