"""Nodes on Ray that tests use one after the other: to start one takes a second."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from tests.nodes.cluster import Program
from tests.nodes.fleet import LASTING_APP, Fleet, Place
from tests.nodes.ray_cluster import RayHead, running_ray


def ray_node(head: Place, name: str) -> Program:
    """Start a node by the command line; it runs `there.app`."""
    assert head.security is not None
    return Program(
        *["-m", "fastask", "node", "--engine=ray", f"--name={name}"],
        *[f"--join={head.address}", f"--app={LASTING_APP}"],
        f"--token={head.security['token']}",
    )


class Rays:
    """The Ray cluster of all tests, which starts when the first one asks for it.

    There is room for one in a network, so a test that asks for fewer nodes than the one
    before has the others end.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._head: RayHead | None = None
        self._fleet: Fleet | None = None

    def __enter__(self) -> Rays:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    @property
    def head(self) -> RayHead:
        """The head, which asks for a token."""
        if self._head is None:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory())
            self._head = self._stack.enter_context(running_ray(Path(folder)))
        return self._head

    def of(self, count: int) -> Fleet:
        """Return so many nodes, all of which run, and no other does."""
        if self._fleet is None:
            self._fleet = Fleet(self.head, [], ray_node)
            self._stack.callback(self._fleet.close)
        names = [f"node{number}@ray-{os.getpid()}" for number in range(count)]
        self._fleet.have(names)
        return self._fleet
