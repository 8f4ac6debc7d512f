"""A cluster for tests: heads and nodes as processes of their own, and who listens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import fastask
from fastask._nodes.dask import DaskEngine
from fastask._nodes.engine import Buffer, Link, Peer, Receiver

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(fastask.__file__).parents[1]  # the checkout, or where it is installed
NODE = Path(__file__).with_name("echo_node.py")
PATIENCE = 20.0

NUMBERS = count(1)


def new_name() -> str:
    """A name that no other test of this run has."""
    return f"node{next(NUMBERS)}@test{os.getpid()}"


class Program:
    """A program of ours, whose first line of output says that it is ready."""

    def __init__(self, *arguments: str) -> None:
        self.name = " ".join(arguments)
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(SOURCE)},
        )

    def ready(self) -> str:
        """Return the first line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, f"{self.name} ended with {self.process.wait()}"
        return line

    def kill(self) -> None:
        """End it as a crash of the machine would."""
        self.process.kill()

    if sys.platform != "win32":

        def stop(self) -> None:
            """Stop the operating system from running it."""
            self.process.send_signal(signal.SIGSTOP)

        def go_on(self) -> None:
            """Let it run again."""
            self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, and wait for that."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@dataclass
class Head:
    """A head, and how it is reached."""

    program: Program
    address: str
    security: Mapping[str, str] | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.address.rpartition(":")[2])


def tls_options(security: Mapping[str, str] | None) -> list[str]:
    """The command line for certificates."""
    return [f"--tls-{key}={path}" for key, path in (security or {}).items()]


@contextlib.contextmanager
def running_head(
    security: Mapping[str, str] | None = None, *, port: int = 0, host: str = "127.0.0.1"
) -> Iterator[Head]:
    """A head of its own, as a process."""
    command = ["-m", "fastask", "scheduler", f"--host={host}", f"--port={port}"]
    program = Program(*command, "--net-ticktime=11", *tls_options(security))
    try:
        yield Head(program, program.ready().split()[-1], security)
    finally:
        program.close()


@contextlib.contextmanager
def echo_nodes(head: Head, *names: str) -> Iterator[list[Program]]:
    """Nodes as processes that send back what they get."""
    if sys.platform == "win32":
        pytest.skip("a program that is killed here takes its console along")
    programs = [Program(str(NODE), head.address, name) for name in names]
    try:
        for program in programs:
            program.ready()
        yield programs
    finally:
        for program in programs:
            program.close()


@dataclass
class Ear:
    """Takes what a link brings."""

    frames: list[list[Buffer]] = field(default_factory=list)
    reasons: list[object] = field(default_factory=list)
    echo: Link | None = None
    closed_at: float = 0.0

    def received(self, frame: list[Buffer]) -> None:
        self.frames.append(frame)
        if self.echo is not None:
            self.echo.send(frame)

    def closed(self, reason: object) -> None:
        self.reasons.append(reason)
        self.closed_at = time.perf_counter()


class Node:
    """An engine in this loop, and what it told."""

    def __init__(self, echoes: bool = True, **options: Any) -> None:
        self.engine = DaskEngine(**options)
        self.events: list[tuple[str, str]] = []
        self.links: list[Link] = []
        self.ears: list[Ear] = []
        self.peer: Peer
        self.echoes = echoes

    def peer_up(self, peer: Peer) -> None:
        self.events.append(("up", peer.name))

    def peer_down(self, peer: Peer) -> None:
        self.events.append(("down", peer.name))

    def accepted(self, link: Link) -> Receiver:
        self.links.append(link)
        self.ears.append(Ear(echo=link if self.echoes else None))
        return self.ears[-1]

    async def start(self, head: Head, name: str, net_ticktime: float = 11.0) -> None:
        """Join."""
        self.peer = await self.engine.start(
            name,
            join=head.address,
            security=head.security,
            net_ticktime=net_ticktime,
            listener=self,
        )

    async def meets(self, *names: str) -> None:
        """Wait until these are up."""
        await until(lambda: set(names) <= set(self.engine.peers()))

    async def misses(self, name: str) -> None:
        """Wait until that one is not up."""
        await until(lambda: name not in self.engine.peers())


@contextlib.asynccontextmanager
async def joined(head: Head, *names: str, **options: Any) -> AsyncIterator[list[Node]]:
    """Nodes in this loop that know one another; they leave on the way out."""
    nodes = [Node(**options) for _ in names]
    try:
        for node, name in zip(nodes, names, strict=True):
            await node.start(head, name)
        for node, name in zip(nodes, names, strict=True):
            await node.meets(*(other for other in names if other != name))
        yield nodes
    finally:
        for node in nodes:
            await node.engine.stop()


async def until(holds: Callable[[], object], patience: float = PATIENCE) -> None:
    """Turn the loop until something holds; what has to come comes by itself."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.002)


async def echoed(link: Link, ear: Ear, frame: list[Buffer]) -> list[Buffer]:
    """Send a frame and return what came back."""
    before = len(ear.frames)
    link.send(frame)
    await until(lambda: len(ear.frames) > before)
    return ear.frames[before]
