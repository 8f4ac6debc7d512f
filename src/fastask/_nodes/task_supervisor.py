"""Task supervisors of nodes: the same verbs, wherever the tasks run."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from fastask._core.call import call_server
from fastask._core.children import Children
from fastask._core.errors import CallError, NoProcessError, UnknownNameError
from fastask._core.names import LOCAL_NODE, Address, whereis
from fastask._core.process import Process
from fastask._core.reason import NOPROC
from fastask._core.remote import Remote, cluster_here, owe, stand_in
from fastask._core.server import served_by
from fastask._core.start import check_function
from fastask._core.supervise import Supervising
from fastask._core.task import Task
from fastask._nodes.wire import LINKED, STREAMS
from fastask._supervision import ChildCount, ChildInfo
from fastask.spec import Restart, Shutdown

__all__ = ["RemoteTaskSupervisor"]


class RemoteTaskSupervisor(Supervising):
    """A task supervisor that is registered on a node; made by `TaskSupervisor.ref`.

    `async_`, `async_nolink` and the streams are those of a `TaskSupervisor` and return
    at once: that the node is lost, that nobody has the name there, that the supervisor
    is full, reaches the task. The other verbs are awaited. The node may be this one.

    A function travels by its name where it can be imported, else by its code, which
    takes cloudpickle. Functions, arguments, results and exceptions are pickled, and
    context variables do not go along. A linked task ends when the node of its owner is
    lost; one of `async_nolink` runs on.

    Attributes:
        name: The name on the node.
        node: The node.

    Elixir: `{name, node}` in the place of a `Task.Supervisor`.
    """

    def __init__(self, name: Hashable, node: str) -> None:
        """Nothing is looked up yet."""
        if not isinstance(node, str):
            raise TypeError(f"node must be the name of a node, got {node!r}")
        self.name = name
        self.node = node

    def __repr__(self) -> str:
        """Tell the name and the node."""
        return f"<TaskSupervisor {self.name!r} of {self.node}>"

    def _resolve(self) -> Any:
        cluster = cluster_here()
        if self.node != (LOCAL_NODE if cluster is None else cluster.name):
            return _Abroad(self, cluster)
        process = whereis(self.name)
        if process is None:
            raise UnknownNameError(f"nobody has the name {self.name!r}")
        table = getattr(served_by(process), "table", None)
        if not isinstance(table, Children):
            raise NoProcessError(
                f"{self!r} must be a task supervisor that runs, got {process!r}"
            )
        return table

    def _current_table(self) -> Any:
        return self._resolve()

    async def start_child(  # type: ignore[override]  # the other node has to answer
        self,
        fn: Callable[..., Any],
        /,
        *args: Any,
        restart: Restart = "temporary",
        shutdown: Shutdown = 5.0,
    ) -> Process[Any]:
        """Start `fn(*args)` under the supervisor and forget it.

        See `TaskSupervisor.start_child`, also for what is raised.

        Raises:
            NoProcessError: If nobody has the name on the node.
            CallError: If the node is out of reach.
        """
        check_function(fn)
        process: Process[Any] = await self._ask(
            "start_child", fn, args, restart, shutdown
        )
        return process

    async def terminate_child(self, p: Process[Any]) -> None:
        """Stop a child; see `TaskSupervisor.terminate_child` and `start_child`."""
        await self._ask("terminate_child", p)

    async def children(self) -> list[Process[Any]]:
        """Return the children; see `TaskSupervisor.children` and `start_child`."""
        children: list[Process[Any]] = await self._ask("children")
        return children

    async def which_children(self) -> list[ChildInfo]:
        """Return them with what is known; see `TaskSupervisor.which_children`."""
        children: list[ChildInfo] = await self._ask("which_children")
        return children

    async def count_children(self) -> ChildCount:
        """Count the children; see `TaskSupervisor.count_children` and `start_child`."""
        count: ChildCount = await self._ask("count_children")
        return count

    async def _ask(self, *request: Any) -> Any:
        try:
            outcome = await call_server(Address(self.name, self.node), request, None)
        except CallError as error:
            if error.reason is NOPROC:
                raise NoProcessError(
                    f"{self!r} must be running, and it is not"
                ) from None
            raise
        return outcome.unwrap()


class _Abroad:
    """In the place of the table of a supervisor that another node has."""

    def __init__(self, supervisor: RemoteTaskSupervisor, cluster: Any) -> None:
        self.supervisor = supervisor
        self.cluster = cluster

    def start_task(
        self,
        owner: Process[Any],
        fn: Any,
        args: tuple[Any, ...],
        executor: object,
        shutdown: object,
        linked: bool,
    ) -> Task[Any]:
        """Start a task that `owner` has; see `Supervising.async_`."""
        flags = LINKED if linked else 0
        remote = self._start(owner, fn, args, executor, shutdown, flags)
        return owe(remote, owner, linked)

    def start_item(
        self,
        consumer: Process[Any],
        fn: Any,
        args: tuple[Any, ...],
        executor: object,
        shutdown: object,
    ) -> Remote:
        """Start the task of an item; the node of the consumer may take it along."""
        return self._start(consumer, fn, args, executor, shutdown, LINKED | STREAMS)

    def _start(
        self,
        owner: Process[Any],
        fn: Any,
        args: tuple[Any, ...],
        executor: object,
        shutdown: object,
        flags: int,
    ) -> Remote:
        check_function(fn)
        name, node = self.supervisor.name, self.supervisor.node
        session = None if self.cluster is None else self.cluster.session_to(node)
        if session is None:
            return stand_in(owner.get_loop(), None, node, "", 0, 0)
        remote: Remote = session.start(owner, name, fn, args, executor, shutdown, flags)
        return remote
