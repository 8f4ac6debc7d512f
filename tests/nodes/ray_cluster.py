"""A Ray cluster for tests, in a network that nobody else is in.

Ray listens on all interfaces and cannot be told not to. So its tests run only where
there is no interface but loopback: scripts/test-ray makes such a place.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.nodes.cluster import Node, Program

NODE = Path(__file__).with_name("ray_echo_node.py")
PORT = 6379
START = 60.0

TUNED = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def why_not() -> str | None:
    """Why Ray cannot be tested here."""
    if find_spec("ray") is None:
        return "Ray is not installed: run scripts/test-ray"
    if sys.platform != "linux" or os.environ.get("FASTASK_RAY") != "1":
        return "Ray listens on all interfaces: run scripts/test-ray (Linux, root)"
    interfaces = [name for _, name in socket.if_nameindex()]
    if interfaces != ["lo"]:
        return f"Ray would listen on {interfaces}: run scripts/test-ray"
    return None


@dataclass
class RayHead:
    """The head of a cluster of one machine."""

    process: subprocess.Popen[bytes]
    security: dict[str, str]
    address: str = f"127.0.0.1:{PORT}"


@contextlib.contextmanager
def running_ray(
    folder: Path, security: Mapping[str, str] | None = None
) -> Iterator[RayHead]:
    """A head of its own, which lets in who has its token."""
    refusal = why_not()
    assert refusal is None, refusal
    token = folder / "token"
    token.write_text(secrets.token_hex(16))
    from fastask._nodes.ray.security import environment_for

    shown = {"token": str(token), **(security or {})}
    # Ray's paths must be short. A pid says little: each network has pids of its own.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *(f"--port={PORT}", "--num-cpus=2", "--object-store-memory=100000000"),
        *("--include-dashboard=false", "--disable-usage-stats"),
        f"--temp-dir={folder}",
    ]
    process = subprocess.Popen(
        command,
        env=environment_for(shown) | TUNED,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        deadline = time.monotonic() + START
        for line in process.stdout:
            if b"Ray runtime started" in line:
                break
            assert time.monotonic() < deadline, "Ray has not started"
        yield RayHead(process, shown)
    finally:
        process.terminate()  # it takes all that it has started along
        process.wait()
        process.stdout.close()
        subprocess.run(["rm", "-rf", str(folder)], check=True)


class RayNode(Node):
    """An engine on Ray in this loop, and what it told."""

    def __init__(self, echoes: bool = True, **options: Any) -> None:
        from fastask._nodes.ray import RayEngine

        super().__init__(echoes)
        self.engine: Any = RayEngine(**options)

    async def start(self, head: Any, name: str, net_ticktime: float = 60.0) -> None:
        """Join."""
        await super().start(head, name, net_ticktime)


@contextlib.asynccontextmanager
async def joined(
    head: RayHead, *names: str, **options: Any
) -> AsyncIterator[list[RayNode]]:
    """Nodes in this loop that know one another; they leave on the way out."""
    nodes = [RayNode(**options) for _ in names]
    try:
        async with asyncio.TaskGroup() as group:
            for node, name in zip(nodes, names, strict=True):
                group.create_task(node.start(head, name))
        for node, name in zip(nodes, names, strict=True):
            await node.meets(*(other for other in names if other != name))
        yield nodes
    finally:
        for node in nodes:
            await node.engine.stop()


@contextlib.contextmanager
def echo_nodes(head: RayHead, *names: str) -> Iterator[list[Program]]:
    """Nodes as processes that send back what they get."""
    token = head.security["token"]
    programs = [Program(str(NODE), head.address, token, name) for name in names]
    try:
        for program in programs:
            program.ready()
        yield programs
    finally:
        for program in programs:
            program.close()
