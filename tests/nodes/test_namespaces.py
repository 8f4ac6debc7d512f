"""Three hosts in network namespaces of their own, and a cable that is pulled.

They run only when asked for, as root: scripts/test-namespaces. Each host has its own
network, joined by a bridge in a fourth namespace; nothing outside is touched.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, Queue

import pytest

from tests.nodes.cluster import NODE, ROOT, SOURCE, tls_options

if sys.platform != "linux" or os.environ.get("FASTASK_NAMESPACES") != "1":
    pytest.skip(
        "three hosts need root on Linux: run scripts/test-namespaces",
        allow_module_level=True,
    )

TICKTIME = 11.0
PREFIX = f"fastask{os.getpid()}"
HUB = f"{PREFIX}-hub"


def ip(*words: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *words], check=True)


def host(number: int) -> str:
    """The namespace of a host."""
    return f"{PREFIX}-{number}"


@contextlib.contextmanager
def three_hosts() -> Iterator[None]:
    """Hosts 1 to 3 at 10.77.0.1 to .3, each with a cable to one switch."""
    names = [HUB, *(host(number) for number in (1, 2, 3))]
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", HUB, "link", "add", "switch", "type", "bridge")
        ip("-n", HUB, "link", "set", "switch", "up")
        for number in (1, 2, 3):
            cable = ["link", "add", "eth0", "netns", host(number), "type", "veth"]
            ip(*cable, "peer", "name", f"port{number}", "netns", HUB)
            ip("-n", HUB, "link", "set", f"port{number}", "master", "switch", "up")
            address = f"10.77.0.{number}/24"
            ip("-n", host(number), "address", "add", address, "dev", "eth0")
            ip("-n", host(number), "link", "set", "eth0", "up")
        yield
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


class Told:
    """A program on a host, and the lines that it has told."""

    def __init__(self, number: int, *command: str) -> None:
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", host(number), sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(SOURCE)},
        )
        self.lines: Queue[str] = Queue()
        self.seen: list[str] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def wait_for(self, fits: Callable[[list[str]], object], limit: float) -> list[str]:
        """Return the words of the first line that fits, and forget it."""
        deadline = time.monotonic() + limit
        while True:
            for line in self.seen:
                if fits(line.split()):
                    self.seen.remove(line)
                    return line.split()
            try:
                left = max(0.0, deadline - time.monotonic())
                self.seen.append(self.lines.get(timeout=left))
            except Empty:
                pytest.fail(f"it was not told within {limit} s, but {self.seen}")

    def order(self, text: str) -> None:
        """Write a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def says(*words: str) -> Callable[[list[str]], bool]:
    """Whether a line tells that, after its time."""
    return lambda line: line[1 : 1 + len(words)] == list(words)


@pytest.mark.timeout(180)
def test_a_pulled_cable_costs_one_node_and_disturbs_no_other(
    certificates: dict[str, str],
) -> None:
    with three_hosts(), contextlib.ExitStack() as stack:

        def start(number: int, *command: str) -> Told:
            told = Told(number, *command)
            stack.callback(told.close)
            return told

        head = start(
            1,
            *("-m", "fastask", "scheduler", "--host=10.77.0.1", "--port=8786"),
            f"--net-ticktime={TICKTIME:g}",
            *tls_options(certificates),
        )
        head.wait_for(lambda line: line[0] == "head", 30)
        files = [certificates[key] for key in ("ca", "cert", "key")]
        nodes = [
            start(number, str(NODE), "10.77.0.1:8786", name, f"{TICKTIME:g}", *files)
            for number, name in enumerate(("one@ns", "two@ns", "three@ns"), start=1)
        ]
        one = nodes[0]
        for node in nodes[1:]:
            node.wait_for(says("ready"), 30)
        incarnation = one.wait_for(says("up", "two@ns"), 30)[3]
        one.order("two@ns")
        one.order("three@ns")
        time.sleep(1)  # both links have talked

        pulled = time.monotonic()
        ip("-n", HUB, "link", "set", "port2", "down")
        closed = float(one.wait_for(says("closed", "two@ns"), 3 * TICKTIME)[0])
        down = float(one.wait_for(says("down", "two@ns"), 3 * TICKTIME)[0])

        ip("-n", HUB, "link", "set", "port2", "up")
        back = one.wait_for(says("up", "two@ns"), 3 * TICKTIME)
        one.order("")
        waits = one.wait_for(says("waits"), 10)[2:]
        longest = dict(each.split("=") for each in waits)

        print(f"closed after {closed - pulled:.1f} s, down after {down - pulled:.1f} s")
        print(f"longest wait for the other node {longest['three@ns']} s")
        assert TICKTIME * 0.5 <= closed - pulled <= TICKTIME * 1.5 + 1
        assert down - pulled <= TICKTIME * 2 + 2
        assert back[3] == incarnation
        assert 0.0 < float(longest["three@ns"]) < 1.0
