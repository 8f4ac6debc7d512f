"""Nodes on Dask that tests use one after the other: to start one takes a second."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from tests.nodes.cluster import Head, Program, running_head, tls_options

LASTING_APP = "tests.nodes.there:lasting_app"


class Place(Protocol):
    """What nodes join."""

    @property
    def address(self) -> str: ...

    @property
    def security(self) -> Mapping[str, str] | None: ...


def node_program(head: Place, name: str) -> Program:
    """Start a node by the command line; it runs `there.app`."""
    return Program(
        *["-m", "fastask", "node", "--engine=dask", f"--name={name}"],
        *[f"--join={head.address}", f"--app={LASTING_APP}"],
        *tls_options(head.security),
    )


class Fleet:
    """A head, and nodes that return under their names when they are killed."""

    def __init__(
        self,
        head: Place,
        names: Sequence[str],
        start: Callable[[Place, str], Program] = node_program,
    ) -> None:
        self.head = head
        self._start = start
        self.programs = {name: start(head, name) for name in names}

    @property
    def names(self) -> list[str]:
        """The nodes, in order."""
        return list(self.programs)

    def restart(self, name: str) -> None:
        """Kill a node, and have it return; nobody waits for that here."""
        self.programs[name].close()
        self.programs[name] = self._start(self.head, name)

    def stop(self, name: str) -> None:
        """Have a node stop in order, and return; wait for the first half."""
        self.programs[name].process.send_signal(signal.SIGTERM)
        assert self.programs[name].process.wait(20) == 0
        self.restart(name)

    def mend(self) -> None:
        """Have those return that a test has let die, or has stopped."""
        for name, program in self.programs.items():
            if program.process.poll() is not None:
                self.restart(name)
            elif sys.platform != "win32":
                program.go_on()

    def have(self, names: Sequence[str]) -> None:
        """Have these nodes, and no other."""
        for name in [name for name in self.programs if name not in names]:
            self.programs.pop(name).close()
        for name in names:
            if name not in self.programs:
                self.programs[name] = self._start(self.head, name)
        self.mend()

    def close(self) -> None:
        """End all of them."""
        for program in self.programs.values():
            program.close()


@contextlib.contextmanager
def running_fleet(count: int, head: Head | None = None) -> Iterator[Fleet]:
    """A fleet, by default with a head of its own."""
    with contextlib.ExitStack() as stack:
        if head is None:
            head = stack.enter_context(running_head())
        names = [f"node{number}@fleet{count}-{os.getpid()}" for number in range(count)]
        fleet = Fleet(head, names)
        stack.callback(fleet.close)
        yield fleet


class Fleets:
    """A fleet for each size: a test sees the nodes that it asks for, and no other."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._fleets: dict[int, Fleet] = {}

    def __enter__(self) -> Fleets:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def of(self, count: int) -> Fleet:
        """Return the fleet of that size, with all of its nodes."""
        if count not in self._fleets:
            self._fleets[count] = self._stack.enter_context(running_fleet(count))
        self._fleets[count].mend()
        return self._fleets[count]
