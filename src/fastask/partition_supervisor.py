"""Partition supervisors: many copies of one child, each found by a key."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, ClassVar

from fastask._core.names import Via
from fastask._core.process import Process
from fastask._core.thread import cpu_count
from fastask._service import Service
from fastask.spec import ChildSpec
from fastask.supervisor import Strategy, Supervisor, SupervisorServer, spec_of

__all__ = ["PartitionSupervisor"]

WithArguments = Callable[[tuple[Any, ...], int], tuple[Any, ...] | list[Any]]


class PartitionSupervisor(Supervisor):
    """Runs the same child many times, and finds one of them by a key.

    Equal keys lead to the same partition. A partition that ends is restarted as any
    other child, and is found again under its keys.

    Args:
        child_spec: The child, in any form that a `Supervisor` takes.
        name: A name or a `Via`.
        partitions: How many, at least 1; None means the number of CPUs.
        strategy: See `Supervisor`.
        max_restarts: See `Supervisor`.
        max_seconds: See `Supervisor`.
        with_arguments: `with_arguments(args, partition)` returns the arguments of one
            partition; None means all get the same.

    Raises:
        TypeError: If an option is of a wrong type.
        ValueError: If an option has no such value.

    Example:
        ```python
        import fastask

        class Counter(fastask.GenServer):
            def init(self) -> None:
                self.n = 0

            @fastask.call
            def add(self, n: int) -> int:
                self.n += n
                return self.n

        async def main() -> None:
            async with fastask.PartitionSupervisor(Counter, name="all") as counters:
                assert await Counter.add(counters.via("ann"), 1) == 1
                assert await Counter.add(counters.via("ann"), 1) == 2

        fastask.run(main)
        ```

    Elixir: `PartitionSupervisor`.
    """

    _server: ClassVar[type]

    def __init__(
        self,
        child_spec: Any,
        *,
        name: Hashable,
        partitions: int | None = None,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 3,
        max_seconds: float = 5.0,
        with_arguments: WithArguments | None = None,
    ) -> None:
        """Check everything; nothing starts."""
        if name is None:
            raise ValueError("name must be given to a PartitionSupervisor, got None")
        number = cpu_count() if partitions is None else partitions
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"partitions must be an integer >= 1, got {partitions!r}")
        if number < 1:
            raise ValueError(f"partitions must be an integer >= 1, got {partitions!r}")
        if with_arguments is not None and not callable(with_arguments):
            raise TypeError(
                f"with_arguments must be a function, got {with_arguments!r}"
            )
        super().__init__(
            [_partition(child_spec, index, with_arguments) for index in range(number)],
            strategy=strategy,
            max_restarts=max_restarts,
            max_seconds=max_seconds,
            name=name,
        )

    def via(self, key: Hashable) -> Via:
        """Return the destination that is the partition of a key at each use.

        An integer leads to the partition `abs(key) % partitions`, anything else to one
        by its hash. With no partition left, using it raises `ValueError`.

        Raises:
            TypeError: If `key` is not hashable.
        """
        hash(key)
        return PartitionVia(self, key)

    def partitions(self) -> int:
        """Return how many partitions there are now.

        Raises:
            NoProcessError: If the supervisor has ended.
            UnknownNameError: If nobody has the name.

        Elixir: `PartitionSupervisor.partitions/1`.
        """
        return self._partition_server().partitions

    async def resize(self, partitions: int) -> int:
        """Change how many partitions run, from 0 to as many as there were at first.

        Those that are too many are stopped; the last ones first. Keys lead to other
        partitions afterwards.

        Returns:
            How many there were.

        Raises:
            ValueError: If there never were that many.
            StartError: If a partition did not start again.
            NoProcessError: If the supervisor has ended.

        Elixir: `PartitionSupervisor.resize!/2`.
        """
        most = len(self._partition_server().children)
        if isinstance(partitions, bool) or not isinstance(partitions, int):
            raise TypeError(f"partitions must be an integer, got {partitions!r}")
        if not 0 <= partitions <= most:
            raise ValueError(f"partitions must be from 0 to {most}, got {partitions!r}")
        before: int = await self._ask("resize", partitions)
        return before

    def _partition_server(self) -> PartitionServer:
        server = self._served()
        assert isinstance(server, PartitionServer)
        return server


def _partition(
    child: Any, index: int, with_arguments: WithArguments | None
) -> ChildSpec:
    if isinstance(child, Service):
        child = child._twin()  # each partition is a supervisor of its own
    spec = spec_of(child)
    args = spec.args
    if with_arguments is not None:
        args = with_arguments(args, index)  # type: ignore[assignment]  # checked below
        if not isinstance(args, tuple | list):
            raise TypeError(
                f"with_arguments must return a tuple or a list, got {args!r}"
            )
    return replace(spec, id=index, args=tuple(args))


class PartitionVia(Via):
    """The partition of a key."""

    def __init__(self, supervisor: PartitionSupervisor, key: Hashable) -> None:
        self.supervisor = supervisor
        self.key = key

    def __repr__(self) -> str:
        return f"<partition of {self.key!r} in {self.supervisor!r}>"

    def whereis(self) -> Process[Any] | None:
        """Return the partition's process, or None when it does not run just now."""
        process = self.supervisor.process
        if process is None or not process.alive:
            return None
        server = self.supervisor._partition_server()
        if server.partitions == 0:
            raise ValueError(f"{self.supervisor!r} must have partitions, and has none")
        if isinstance(self.key, int) and not isinstance(self.key, bool):
            index = abs(self.key) % server.partitions
        else:
            index = hash(self.key) % server.partitions
        child = server.children.get(index)
        return None if child is None else child.process

    def register(self, process: Process[Any]) -> None:
        """Refuse: a partition is started by its supervisor only."""
        raise ValueError(f"name must be one that can be given, got {self!r}")


class PartitionServer(SupervisorServer):
    """The process of a `PartitionSupervisor`."""

    partitions: int

    async def init(self, supervisor: Supervisor) -> Any:
        """Start the partitions."""
        self.partitions = len(supervisor.specs)
        return await super().init(supervisor)

    async def resize(self, number: int) -> int:
        """Stop the partitions that are too many, or start those that are missing."""
        before = self.partitions
        for index in range(before - 1, number - 1, -1):
            self.partitions = index
            await self.terminate_child(index)
        for index in range(before, number):
            await self.restart_child(index)
            self.partitions = index + 1
        return before


PartitionSupervisor._server = PartitionServer
