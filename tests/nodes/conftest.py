"""Clusters for the tests of nodes, one engine after the other.

A test takes the fixture `cluster` and writes `async with cluster(2) as world:`. An
engine is a parameter of `engine`, and a function here that starts such a cluster. Where
one cannot be tested, test_engines.py says so.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

import fastask
from fastask import TaskSupervisor
from fastask._nodes.dask.security import RECIPE
from fastask.distribution import ENGINES
from tests.nodes import ray_cluster, there
from tests.nodes.cluster import Head, new_name, running_head, until
from tests.nodes.fleet import Fleet, Fleets
from tests.nodes.ray_fleet import Rays

pytestmark = pytest.mark.slow

APP = "tests.nodes.there:app"


class World:
    """A cluster of this node and some others, which run `there.app`."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def tasks(self, name: str) -> fastask.RemoteTaskSupervisor:
        """The task supervisor of a node."""
        return TaskSupervisor.ref("task_supervisor", name)

    async def signal(self, name: str, number: int) -> int:
        """Send a signal to the OS process of a node; return its pid."""
        pid = await self.tasks(name).async_(there.pid)
        os.kill(pid, number)
        return pid

    async def kill(self, name: str) -> None:
        """End a node without a word."""
        if sys.platform == "win32":
            pytest.skip("it has no such signal")
        await self.signal(name, signal.SIGKILL)

    async def stop(self, name: str) -> None:
        """Have a node end in order."""
        await self.signal(name, signal.SIGTERM)

    async def is_up(self, name: str) -> None:
        """Wait until a node is back, as long as it takes; monitor nodes before."""
        await fastask.receive(lambda m: m == fastask.NodeUp(name), timeout=10)


class Cluster(Protocol):
    """The fixture."""

    def __call__(
        self, count: int, **options: Any
    ) -> AbstractAsyncContextManager[World]: ...


@asynccontextmanager
async def local(count: int, **options: Any) -> AsyncIterator[World]:
    """A cluster of worker processes, which come back by themselves."""
    options = {"app": APP, "name": "app@host", **options}
    async with fastask.connect("local", workers=count, **options):
        yield World([f"app@host/{number}" for number in range(count)])


class ProgramWorld(World):
    """A cluster whose nodes are programs of their own."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet.names)
        self.fleet = fleet

    async def kill(self, name: str) -> None:
        """End a node without a word; another one returns under its name."""
        self.fleet.restart(name)

    async def stop(self, name: str) -> None:
        """Have a node end in order; another one returns under its name."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.fleet.stop, name)

    async def has_all(self) -> None:
        """Wait until all nodes are up and run nothing of an earlier test."""
        await until(lambda: set(fastask.nodes()) == set(self.names))
        await fastask.await_many(
            [self.tasks(name).async_(there.tidy) for name in self.names]
        )


@asynccontextmanager
async def dask(fleets: Fleets, count: int, **options: Any) -> AsyncIterator[World]:
    """A cluster of programs, which a restarter brings back."""
    if sys.platform == "win32":
        pytest.skip("a program that is killed here takes its console along")
    world = ProgramWorld(fleets.of(count))
    join = world.fleet.head.address
    options = {"app": APP, "name": new_name(), "join": join, **options}
    async with fastask.connect("dask", **options):
        await world.has_all()
        yield world


@asynccontextmanager
async def ray(rays: Rays, count: int, **options: Any) -> AsyncIterator[World]:
    """A cluster of programs on Ray, which a restarter brings back."""
    world = ProgramWorld(rays.of(count))
    head = world.fleet.head
    joins = {"join": head.address, "security": head.security}
    options = {"app": APP, "name": new_name(), **joins, **options}
    async with fastask.connect("ray", **options):
        await world.has_all()
        yield world


@pytest.fixture(scope="session")
def fleets() -> Iterator[Fleets]:
    """The nodes on Dask of all tests."""
    with Fleets() as fleets:
        yield fleets


@pytest.fixture(scope="session")
def rays() -> Iterator[Rays]:
    """The nodes on Ray of all tests."""
    with Rays() as rays:
        yield rays


def left_out(engine: str) -> str | None:
    """Why an engine cannot be tested here, and what to do about it."""
    return ray_cluster.why_not() if engine == "ray" else None


@pytest.fixture(params=[name for name in ENGINES if left_out(name) is None])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the engine under test."""
    name: str = request.param
    return name


only_local = pytest.mark.parametrize("engine", ["local"], indirect=True)
"""For a test that is about this engine; the reason stands beside it."""


@pytest.fixture
def cluster(engine: str, bare_main: None, fleets: Fleets, rays: Rays) -> Cluster:
    """Start clusters of the engine under test."""
    worlds: dict[str, Cluster] = {
        "local": local,
        "dask": functools.partial(dask, fleets),
        "ray": functools.partial(ray, rays),
    }
    return worlds[engine]


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """A head on the loopback address."""
    with running_head() as running:
        yield running


def make_certificates(folder: Path) -> dict[str, str]:
    """Make an authority and a certificate, as the error tells a user to."""
    if shutil.which("openssl") is None:
        if os.environ.get("CI"):
            pytest.fail("openssl is missing")
        pytest.skip("openssl makes the certificates, and is missing")
    folder.mkdir()
    commands = "".join(
        line for line in RECIPE.splitlines(keepends=True) if line.startswith("    ")
    )
    subprocess.run(["sh", "-ec", commands], cwd=folder, check=True, capture_output=True)
    files = {"ca": "ca.pem", "cert": "node.pem", "key": "node.key"}
    return {key: str(folder / file) for key, file in files.items()}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The paths of certificates of the cluster's authority."""
    return make_certificates(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="session")
def strange_certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The paths of certificates of another authority."""
    return make_certificates(tmp_path_factory.mktemp("tls") / "theirs")


@pytest.fixture(scope="session")
def secure_head(certificates: dict[str, str]) -> Iterator[Head]:
    """A head that asks for certificates."""
    with running_head(certificates) as running:
        yield running
