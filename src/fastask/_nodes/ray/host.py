"""Host: the actor of Ray that stands for a node, on the node's machine.

It runs in a process of Ray, with threads of its own. The node's program is at the other
end of a Unix socket: what that sends goes out in calls to the hosts of other nodes, and
what their calls bring goes in. When one of the two ends, so does the other's part.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import os
import socket
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from importlib import import_module
from queue import SimpleQueue
from typing import Any

from fastask._nodes.engine import Peer
from fastask._nodes.ray.wire import (
    BYE,
    DATA,
    DOWN,
    LOST,
    READY,
    UNIX_ONLY,
    UP,
    Records,
    described,
    record,
)

ray: Any = import_module("ray")  # an extra, which a checker takes for this package

NAMESPACE = "fastask"
"""Of Ray, where the names of hosts are."""

PREFIX = "fastask@"
"""Of the name of a host, before that of its node."""

INLINE = 90_000
"""Bytes: what is smaller than 100 KB travels in the call, not by the object store."""

CHUNK = 1_000_000
"""Bytes to read at once from a program, and to send in one call."""

LOOK = 1.0
"""Seconds between two looks at the list of hosts, which calls make unnecessary."""

PATIENCE = 2.0
"""Seconds to wait for other hosts to describe themselves, or to take what was sent."""

GROUPS = {"inbox": 1, "watch": 1}
"""Threads: one that takes what comes, in order; one that watchers wait for."""

METHODS: dict[str, dict[str, Any]] = {
    "deliver": {"num_returns": 0, "concurrency_group": "inbox"},
    "look": {"num_returns": 0},
    "describe": {},
    "watch": {"concurrency_group": "watch"},
}

logger = logging.getLogger("fastask")


@dataclass
class Known:
    """The host of another node."""

    name: str
    handle: Any
    deliver: Any
    watching: Any = None
    is_owed: bool = False  # something was sent to it


class Host:
    """Stands for a node as long as its program lives."""

    def __init__(self, path: str, this: Peer) -> None:
        context = ray.get_runtime_context()
        self._actor = context.current_actor
        self._name = PREFIX + this.name
        place = f"{ray.util.get_node_ip_address()}/{context.get_actor_id()}"
        self._description = described(replace(this, address=place))
        self._source = bytes.fromhex(this.incarnation)
        self._known: dict[int, Known] = {}
        self._unsure: set[int] = set()
        self._numbers = itertools.count(1)
        self._wake = threading.Event()
        self._ends: SimpleQueue[tuple[int, BaseException | None]] = SimpleQueue()
        self._writing = threading.Lock()
        self._socket = connected(path)
        for work in (self._carry, self._look_around):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()

    # What other hosts call.

    def deliver(self, *pieces: bytes) -> None:
        """Take messages of a node for the program."""
        with contextlib.suppress(OSError):  # the program is gone, and so is this host
            self._tell(DATA, 0, *pieces)

    def describe(self) -> bytes:
        """Return the node that this host stands for."""
        return self._description

    def look(self) -> None:
        """Look at once for hosts that are new."""
        self._wake.set()

    def watch(self) -> None:
        """Never return: who waits for this is told of the end of this process."""
        threading.Event().wait()

    # From the program to other hosts.

    def _carry(self) -> None:
        """Call other hosts with what the program sends, as much at once as there is."""
        records = Records()
        is_polite = False
        with contextlib.suppress(OSError):
            while data := self._socket.recv(CHUNK):
                waiting: dict[int, list[bytes]] = {}
                for kind, number, payload in records.feed(data):
                    if kind == DATA:
                        waiting.setdefault(number, []).append(payload)
                    is_polite = is_polite or kind == BYE
                for number, payloads in waiting.items():
                    self._send(number, payloads)
        if is_polite:
            self._wait_for_others()
        with contextlib.suppress(Exception):  # whatever Ray says, the process ends
            ray.kill(self._actor, no_restart=True)
            time.sleep(PATIENCE)
        os._exit(0)

    def _send(self, number: int, payloads: list[bytes]) -> None:
        known = self._known.get(number)
        if known is None:
            return
        data = b"".join((self._source, *payloads))
        pieces = [data[i : i + INLINE] for i in range(0, len(data), INLINE)]
        known.is_owed = True
        try:
            known.deliver.remote(*pieces)
        except Exception as error:  # whatever Ray has against the call
            logger.exception("%s cannot be called", known.name)
            self._tell(LOST, number, str(error).encode())

    def _wait_for_others(self) -> None:
        """Give the others time to take the last that was sent to them."""
        answers = [
            known.handle.describe.remote()
            for known in list(self._known.values())
            if known.is_owed
        ]
        if answers:
            ray.wait(answers, num_returns=len(answers), timeout=PATIENCE)

    # Who is there.

    def _look_around(self) -> None:
        """Keep the program informed of the hosts of other nodes."""
        with contextlib.suppress(OSError):
            self._look_once()
            for known in list(self._known.values()):
                known.handle.look.remote()
            self._tell(READY, 0, self._description)
            while True:
                self._wake.wait(LOOK)
                self._wake.clear()
                self._look_once()

    def _look_once(self) -> None:
        try:
            unsure, self._unsure = self._unsure, set()
            self._look_at_ends()
            listed = set(ray.util.list_named_actors())
            for number, known in list(self._known.items()):
                if known.name not in listed:
                    self._lose(number, "it is not listed any more")
            for number in unsure:
                self._watch(number)
            names = {known.name for known in list(self._known.values())}
            new = listed - names - {self._name}
            self._meet([name for name in new if name.startswith(PREFIX)])
        except OSError:
            raise  # of the socket: the program is gone
        except Exception:  # whatever keeps Ray from answering now, it may do so soon
            logger.exception("%s cannot look for other hosts", self._name)

    def _meet(self, names: list[str]) -> None:
        """Ask hosts that are new who they are."""
        asked = {}
        for name in names:
            with contextlib.suppress(ValueError):  # it is gone again
                handle = ray.get_actor(name, namespace=NAMESPACE)
                asked[handle.describe.remote()] = Known(name, handle, handle.deliver)
        if not asked:
            return
        ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=PATIENCE)
        for answer in ready:
            try:
                description = ray.get(answer)
            except ray.exceptions.RayError as error:
                logger.debug("%s does not answer: %s", asked[answer].name, error)
                continue
            number = next(self._numbers)
            self._known[number] = asked[answer]
            self._tell(UP, number, description)
            self._watch(number)

    def _watch(self, number: int) -> None:
        known = self._known.get(number)
        if known is not None:
            known.watching = known.handle.watch.remote()
            future = known.watching.future()
            future.add_done_callback(functools.partial(self._watched, number))

    def _watched(self, number: int, future: Future[None]) -> None:
        """Take note, in a thread of Ray, that a host cannot be reached or is dead."""
        self._ends.put((number, future.exception()))
        self._wake.set()

    def _look_at_ends(self) -> None:
        while not self._ends.empty():
            number, error = self._ends.get()
            if isinstance(error, ray.exceptions.ActorUnavailableError):
                self._unsure.add(number)
                self._tell(LOST, number, b"it cannot be reached")
            else:
                self._lose(number, type(error).__name__)

    def _lose(self, number: int, reason: str) -> None:
        if self._known.pop(number, None) is not None:
            self._tell(DOWN, number, reason.encode())

    def _tell(self, kind: int, number: int, *payload: bytes) -> None:
        data = record(kind, number, *payload)
        with self._writing:
            self._socket.sendall(data)


def connected(path: str) -> socket.socket:
    """Return a socket to the program that listens at a path."""
    if sys.platform != "win32":
        end = socket.socket(socket.AF_UNIX)
        end.connect(path)
        return end
    raise OSError(UNIX_ONLY)


def actor_class() -> Any:
    """Return the host as a class of actors of Ray."""
    for name, options in METHODS.items():
        if options:
            ray.method(**options)(getattr(Host, name))
    return ray.remote(
        concurrency_groups=GROUPS,
        namespace=NAMESPACE,
        lifetime="detached",
        max_restarts=0,
        max_task_retries=0,
        num_cpus=0,
        enable_task_events=False,
    )(Host)
