"""Net: the process that is this node's part in a cluster, from joining to leaving."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from fastask._core.answer import Stop
from fastask._core.errors import AlreadyStartedError, CallError, NoProcessError
from fastask._core.message import Exited
from fastask._core.names import whereis
from fastask._core.process import Process
from fastask._core.reason import SHUTDOWN
from fastask._core.remote import cluster_here
from fastask._core.verb import self_, trap_exit
from fastask._nodes.cluster import Cluster
from fastask._nodes.engine import Engine
from fastask._service import Service
from fastask.application import load_tree
from fastask.gen_server import GenServer
from fastask.supervisor import Supervisor
from fastask.task_supervisor import TaskSupervisor

DEFAULT_NAME = "task_supervisor"
"""The name of the task supervisor of a node that is given no app."""


class Net(GenServer):
    """Joins a cluster when it starts, and leaves it when it ends."""

    async def init(self, node: Any) -> None:
        """Start what the node runs, then join: who calls finds it running."""
        options: NetOptions = node._options
        here = cluster_here()
        if here is not None:
            raise AlreadyStartedError(
                f"this node is in a cluster already, as {here.name}"
            )
        trap_exit(True)
        self.app: Service[Any] | None = None
        self.cluster = Cluster(options.engine, asyncio.get_running_loop())
        # A kill runs no `terminate`; the links go all the same.
        self_().add_done_callback(self._ended)
        try:
            if options.engine.caps.addressable:
                self.app = make_app(options.app)
            if self.app is not None:
                await self.app._start()
            await self.cluster.join(
                options.name,
                join=options.join,
                security=options.security,
                net_ticktime=options.net_ticktime,
            )
        except Exception:  # raised again; nothing is left of what was started
            await self._leave()
            raise
        except BaseException:  # raised again, and there is no time
            self.cluster.hang_up()
            raise

    def _ended(self, process: Process[Any]) -> None:
        self.cluster.hang_up()

    async def terminate(self, reason: Any) -> None:
        """Leave the cluster, then stop what the node runs."""
        await self._leave()

    async def _leave(self) -> None:
        try:
            await self.cluster.leave()
        finally:
            if self.app is not None:
                # The end of the program may stop it at the same time.
                with contextlib.suppress(NoProcessError, CallError):
                    await self.app.stop()

    def handle_info(self, message: Any) -> Stop | None:
        """End with what belongs to the node: its app, or a part of the engine."""
        if isinstance(message, Exited):
            return Stop(SHUTDOWN if message.process is None else message.reason)
        return None


class NetOptions:
    """What a node joins a cluster with."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        join: str | None,
        security: Any,
        app: Any,
        net_ticktime: float,
    ) -> None:
        self.engine = engine
        self.name = name
        self.join = join
        self.security = security
        self.app = app
        self.net_ticktime = net_ticktime


def make_app(app: Any) -> Service[Any] | None:
    """Return the supervisor that a node runs, not started.

    Args:
        app: Children, a supervisor, `"module:attribute"`, or None for a task
            supervisor, which is not made where one has its name.

    Raises:
        TypeError: If it is none of these.
    """
    if app is None:
        return None if whereis(DEFAULT_NAME) else TaskSupervisor(name=DEFAULT_NAME)
    if isinstance(app, str):
        return load_tree(app)
    if isinstance(app, Service):
        return app
    if isinstance(app, Sequence):
        return Supervisor(app)
    raise TypeError(
        "app must be children for a supervisor, 'module:attribute' or None, "
        f"got {app!r}"
    )
