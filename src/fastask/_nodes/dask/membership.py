"""Membership: this node's place in the head's list, and the news of the others.

The place is a `distributed.Worker` in this loop, which the head takes off its list when
the connection to it breaks or its heartbeats stay away. It runs no tasks of Dask. The
news come over a connection like that of a Dask client: topic "all" tells who has left,
a topic of ours tells name and incarnation of who has joined.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from typing import Any, Protocol, cast

from distributed import Security, Status, Worker
from distributed.comm.core import Comm, CommClosedError, connect

from fastask._core.errors import NameTakenError
from fastask._nodes.dask.handshake import Refused, described, peer_from
from fastask._nodes.dask.settings import CONNECT
from fastask._nodes.engine import Peer

TOPIC = "fastask-nodes"
START = 10.0
"""Seconds that the head may take to put a node on its list."""

logger = logging.getLogger("fastask")


class News(Protocol):
    """Who is told what happens in the head's list."""

    def joined(self, address: str, peer: Peer) -> None: ...

    def left(self, address: str) -> None: ...


@dataclass(frozen=True)
class Place:
    """Where the head is, and where this node listens."""

    head: str
    host: str
    security: Security | None

    def connection(self) -> dict[str, Any]:
        """What `distributed.comm.connect` needs beside the address."""
        security = self.security or Security(require_encryption=False)
        return dict(security.get_connection_args("worker"))


class Subscription:
    """The connection that brings the news."""

    def __init__(self, comm: Comm, client: str) -> None:
        self._comm = comm
        self._client = client

    @classmethod
    async def open(cls, place: Place) -> Subscription:
        """Subscribe to the news.

        Raises:
            ConnectionError: If there is no head, or it does not let us in.
        """
        client = f"fastask-{uuid.uuid4()}"
        register = {"op": "register-client", "client": client, "reply": False}
        comm = None
        try:
            async with asyncio.timeout(CONNECT):
                comm = await connect(place.head, timeout=CONNECT, **place.connection())
                await comm.write(register | {"versions": {}})
                await comm.read()
                self = cls(comm, client)
                await self._write("subscribe-topic")
                return self
        except BaseException as error:
            if comm is not None:
                comm.abort()
            if isinstance(error, OSError | TimeoutError):
                raise ConnectionError(
                    f"no head lets us in at {place.head}: {error}"
                ) from error
            raise

    async def read(self, news: News) -> None:
        """Tell the news until the connection is closed."""
        with contextlib.suppress(CommClosedError):
            while True:
                for message in cast(Any, await self._comm.read()):
                    if message.get("op") == "event":
                        _tell(message["topic"], message["event"][1], news)

    async def close(self) -> None:
        """Say goodbye, so that the head does not complain, and close."""
        with contextlib.suppress(OSError):
            await self._write("unsubscribe-topic")
            await self._comm.write([{"op": "close-stream"}])
        await self._comm.close()

    async def _write(self, op: str) -> None:
        about = {"op": op, "client": self._client}
        await self._comm.write([about | {"topic": each} for each in ("all", TOPIC)])


class _Listed(Worker):  # type: ignore[misc,unused-ignore]  # or not installed
    """A worker that runs no tasks, and tells when the head is lost.

    Worker's own method ends the whole program when it cannot close.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_lost = asyncio.Event()

    async def handle_scheduler(self, comm: Comm) -> None:
        try:
            await self.handle_stream(comm)
        finally:
            self.is_lost.set()


class Membership:
    """Being in the head's list, once: `lost` is done when that is over."""

    def __init__(self, worker: _Listed, news: Subscription, scratch: str) -> None:
        self._worker = worker
        self._news = news
        self._scratch = scratch
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def join(cls, place: Place, this: Peer) -> Membership:
        """Have the head list this node.

        Raises:
            NameTakenError: If it lists another node of that name.
            ConnectionError: If there is no head, or it refuses the node.
        """
        news = await Subscription.open(place)
        scratch = tempfile.mkdtemp(prefix="fastask-node-")
        try:
            worker = await _registered(place, this, scratch)
        except BaseException:  # also a cancellation: nothing is left behind
            await news.close()
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        return cls(worker, news, scratch)

    def announce(self, this: Peer, news: News) -> None:
        """Tell the others who this is, and begin to listen to their news."""
        event = {"peer": described(this), "worker": self._worker.address}
        self._worker.log_event(TOPIC, event)
        self._reader = asyncio.get_running_loop().create_task(
            self._news.read(news), name="fastask news of nodes"
        )

    async def listed(self) -> dict[str, Peer]:
        """Ask the head for its list.

        Raises:
            OSError: If it does not answer.
        """
        async with asyncio.timeout(CONNECT):
            identity: Any = cast(Any, await self._worker.scheduler.identity())
        found = {}
        for address, worker in identity["workers"].items():
            with contextlib.suppress(Refused):  # Dask's own workers are no nodes
                found[address] = peer_from(worker.get("fastask"))
        return found

    async def lost(self) -> None:
        """Wait until the head has lost this node, or this node the head."""
        assert self._reader is not None
        closed = asyncio.ensure_future(self._worker.is_lost.wait())
        try:
            await asyncio.wait(
                [closed, self._reader], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            closed.cancel()

    async def leave(self) -> None:
        """Have the head forget this node; nothing stays open or running.

        A second time it waits for the first.
        """
        await self._news.close()
        if self._reader is not None:
            await asyncio.wait([self._reader])
        await self._worker.close(nanny=False, executor_wait=False, timeout=CONNECT)
        await self._worker.is_lost.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)


def _tell(topic: str, event: Any, news: News) -> None:
    """Tell of an event of the head, if it is about a node."""
    if topic == TOPIC:
        try:
            news.joined(event["worker"], peer_from(event["peer"]))
        except (KeyError, TypeError, Refused) as error:
            logger.warning("the head told of something that is no node: %r", error)
    elif isinstance(event, dict) and event.get("action") == "remove-worker":
        news.left(event["worker"])


async def _registered(place: Place, this: Peer, scratch: str) -> _Listed:
    """Have the head list this node as a worker that takes no tasks."""
    worker = _Listed(
        place.head,
        name=this.name,
        nthreads=1,
        memory_limit=0,  # no one watches the memory of a user's program
        host=place.host,
        dashboard_address="127.0.0.1:0",
        security=place.security,
        local_directory=scratch,
        death_timeout=START,
        extensions={},
        metrics={},
        startup_information={"fastask": lambda _: described(this)},
        executor="offload",  # a thread that is there only once it is used
    )
    worker.executors["actor"] = worker.executors["default"]
    try:
        await worker
    except asyncio.CancelledError:
        await worker.close(nanny=False, executor_wait=False)
        raise
    except RuntimeError as error:
        if "name taken" in str(error.__cause__):
            raise NameTakenError(
                f"name must be free in the cluster, a live node has {this.name!r}"
            ) from error
        raise ConnectionError(f"{place.head} did not list the node: {error}") from error
    except (OSError, TimeoutError) as error:
        raise ConnectionError(f"{place.head} did not list the node: {error}") from error
    worker.status = Status.paused  # the scheduler of Dask gives it nothing to do
    return worker
