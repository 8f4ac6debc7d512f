"""Local: nodes that are worker processes of this program, on this machine.

The parent spawns the workers, restarts one that ends, and brings any two nodes
together: it makes a pair of sockets and hands one end to each. No frame of theirs
passes through it, and no port is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import socket
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from fastask._core.errors import CallError, NoProcessError, WorkerError
from fastask._core.start import spawn_link
from fastask._core.thread import cpu_count
from fastask._core.worker import SPAWN
from fastask._nodes.channel import Channel, Message
from fastask._nodes.engine import Caps, Link, Listener, Peer, Receiver
from fastask._nodes.local_worker import Settings, serve
from fastask._nodes.socket_link import SocketLink, open_link, socket_pair
from fastask._nodes.watching import not_readable, on_readable
from fastask.spec import ChildSpec
from fastask.supervisor import Supervisor

TIME_TO_STOP = 4.0
"""Seconds that a worker has to stop in order, before it is killed."""

TIME_TO_START = 60.0
"""Seconds that it has at least until it gives a sign of life first."""

BEATS = 4
"""How many times in `net_ticktime` a worker is asked whether it lives."""

CAPS = Caps(
    ordered=True, addressable=True, launches=True, head=True, least_ticktime=0.1
)


class LocalEngine:
    """The part of the parent."""

    caps = CAPS

    def __init__(self, workers: int | None = None, app: Any = None) -> None:
        """Check everything; nothing starts.

        Args:
            workers: How many; None means one for each CPU.
            app: What each worker runs.

        Raises:
            TypeError: If `workers` is no integer, or `app` cannot be pickled.
            ValueError: If `workers` is less than 1.
        """
        if workers is None:
            workers = cpu_count()
        if not isinstance(workers, int) or isinstance(workers, bool):
            raise TypeError(f"workers must be an integer >= 1, got {workers!r}")
        if workers < 1:
            raise ValueError(f"workers must be an integer >= 1, got {workers!r}")
        try:
            pickle.dumps(app)
        except Exception as error:  # whatever `__reduce__` of a user raises
            raise TypeError(
                f"app must be picklable, or 'module:attribute', got {app!r}: {error}"
            ) from error
        self.count = workers
        self.app = app
        self.workers: dict[str, Worker] = {}
        self.ticktime = 60.0
        self.supervisor: Supervisor | None = None
        self._opening: set[asyncio.Task[SocketLink]] = set()

    async def start(
        self,
        name: str,
        *,
        join: str | None,
        security: Any,
        net_ticktime: float,
        listener: Listener,
    ) -> Peer:
        """Start the workers, and return when all are up."""
        for option, value in (("join", join), ("security", security)):
            if value is not None:
                raise ValueError(
                    f"{option} must be None for engine='local', got {value!r}"
                )
        self.loop = asyncio.get_running_loop()
        self.listener = listener
        self.ticktime = net_ticktime
        self.me = Peer(name, uuid.uuid4().hex, f"pid {os.getpid()}")
        names = [f"{name}/{number}" for number in range(self.count)]
        self.workers = {each: Worker(self, each) for each in names}
        self.supervisor = await Supervisor.start_link(
            [
                ChildSpec(w.name, w.start, restart="permanent")
                for w in self.workers.values()
            ],
            max_restarts=3 * self.count,
            max_seconds=5.0,
        )
        for worker in self.workers.values():
            await worker.first_up
        return self.me

    def peers(self) -> Mapping[str, Peer]:
        """Return the workers that are up."""
        return {
            name: worker.peer
            for name, worker in self.workers.items()
            if worker.peer is not None
        }

    async def connect(self, name: str, receiver: Receiver) -> Link:
        """Open a link to a worker."""
        worker = self.workers.get(name)
        if worker is None or worker.peer is None:
            raise ConnectionError(f"{name} is not up")
        ours, theirs = socket_pair()
        worker.send_accept(self.me, theirs)
        return await open_link(ours, worker.peer, lambda link: receiver)

    async def stop(self) -> None:
        """Stop the workers, side by side, and wait for their end."""
        for worker in self.workers.values():
            worker.ask_to_stop()
        if self.supervisor is not None:
            # The end of the program may stop it at the same time.
            with contextlib.suppress(NoProcessError, CallError):
                await self.supervisor.stop()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)

    # For the workers.

    def came_up(self, worker: Worker, peer: Peer) -> None:
        """Tell all that a worker is up."""
        for other in self.workers.values():
            if other is not worker and other.channel is not None:
                other.channel.send(_row("up", peer))
        self.listener.peer_up(peer)

    def went_down(self, peer: Peer) -> None:
        """Tell all that a worker is lost."""
        for other in self.workers.values():
            if other.channel is not None:
                other.channel.send(_row("down", peer))
        self.listener.peer_down(peer)

    def bring_together(self, worker: Worker, number: int, name: str) -> None:
        """Make a link between a worker that asks for it and another node."""
        assert worker.channel is not None
        assert worker.peer is not None
        reply = {"op": "link", "number": number}
        other = self.workers.get(name)
        if name == self.me.name:
            ours, theirs = socket_pair()
            task = self.loop.create_task(
                open_link(ours, worker.peer, self.listener.accepted)
            )
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
            worker.channel.send(reply, theirs)
        elif other is None or other.peer is None or other is worker:
            worker.channel.send(reply)
        else:
            one, two = socket_pair()
            other.send_accept(worker.peer, one)
            worker.channel.send(reply, two)


def _row(op: str, peer: Peer) -> Message:
    return {
        "op": op,
        "name": peer.name,
        "incarnation": peer.incarnation,
        "address": peer.address,
    }


class Worker:
    """A place among the workers: its name, and the process that has it at present."""

    def __init__(self, engine: LocalEngine, name: str) -> None:
        self.engine = engine
        self.name = name
        self.peer: Peer | None = None  # while it is up
        self.channel: Channel | None = None
        self.first_up: asyncio.Future[None] = engine.loop.create_future()
        self.is_stopping = False

    def start(self) -> Any:
        """Start what keeps the worker alive; for the supervisor."""
        return spawn_link(self._keep)

    def send_accept(self, peer: Peer, given: socket.socket) -> None:
        """Hand a worker its end of a link."""
        assert self.channel is not None
        self.channel.send(_row("accept", peer), given)

    def ask_to_stop(self) -> None:
        """Have it stop in order."""
        self.is_stopping = True
        if self.channel is not None:
            self.channel.send({"op": "stop"})

    async def _keep(self) -> None:
        """Run one process from its start to its end; its end is ours."""
        engine = self.engine
        incarnation = uuid.uuid4().hex
        control, its_control = socket_pair()
        pulse, its_pulse = socket_pair()
        settings = Settings(
            self.name, incarnation, engine.me, engine.app, engine.ticktime
        )
        process = SPAWN.Process(
            target=serve, args=(its_control, its_pulse, settings), name=self.name
        )
        try:
            process.start()
        except BaseException:  # raised again
            control.close()
            pulse.close()
            raise
        finally:
            its_control.close()
            its_pulse.close()
        ended: asyncio.Future[None] = engine.loop.create_future()
        pid = process.pid
        assert pid is not None
        watched, is_ours = _end_of(process)
        on_readable(engine.loop, watched, _resolve, ended)
        heart = Heart(engine.loop, pulse, engine.ticktime, process.kill)

        def receive(message: Message, given: socket.socket | None) -> None:
            if message["op"] == "connect":
                engine.bring_together(self, message["number"], message["name"])
            elif message["op"] == "ready":
                heart.begin()
                self.peer = Peer(self.name, incarnation, f"pid {pid}")
                engine.came_up(self, self.peer)
                if not self.first_up.done():
                    self.first_up.set_result(None)

        self.channel = Channel(engine.loop, control, receive, lambda: None)
        for peer in (engine.me, *engine.peers().values()):
            self.channel.send(_row("up", peer))
        is_killed = False
        try:
            await asyncio.shield(ended)
        except GeneratorExit:  # no time to wait for anything
            is_killed = True
            raise
        finally:
            try:
                if not ended.done() and not is_killed:
                    self.channel.send({"op": "stop"})
                    async with asyncio.timeout(TIME_TO_STOP):
                        await asyncio.shield(ended)
            except TimeoutError:
                pass  # it is killed
            finally:
                heart.stop()
                not_readable(engine.loop, watched)
                if not ended.done():
                    process.kill()
                self.channel.close()
                self.channel = None
                process.join()
                code = process.exitcode
                process.close()
                if is_ours:
                    os.close(watched)
                peer_or_none, self.peer = self.peer, None
                if peer_or_none is not None:
                    engine.went_down(peer_or_none)
        self._ended(pid, code, heart.is_hung)

    def _ended(self, pid: int, code: int | None, is_hung: bool) -> None:
        """Say how a worker ended that was not told to."""
        if code is not None and code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        else:
            how = f"ended with exit code {code}"
        if is_hung:
            how = f"gave no sign of life for {self.engine.ticktime:g} s and was killed"
        if not self.first_up.done():
            how += (
                " before it was up; it imports the main module, which must start its "
                "program under `if __name__ == '__main__':`"
            )
        error = WorkerError(f"node {self.name}, process {pid}, {how}", exitcode=code)
        if not self.first_up.done():
            self.first_up.set_exception(error)
            self.first_up.exception()  # it is seen, whoever waits
        if not self.is_stopping:
            raise error


def _end_of(process: Any) -> tuple[int, bool]:
    """Return what is readable when a process has ended, and whether it is ours.

    The sentinel of multiprocessing is a pipe, which a fork of the worker holds open
    too.
    """
    try:
        if hasattr(os, "pidfd_open"):
            return os.pidfd_open(process.pid), True
    except OSError:
        pass  # an old kernel, or a sandbox
    return process.sentinel, False


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Heart:
    """Asks a worker whether it lives, and kills one that does not answer in time.

    A thread of the worker answers, so one that is busy lives; one that is stopped, or
    hangs as a whole, does not.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pulse: socket.socket,
        ticktime: float,
        kill: Callable[[], None],
    ) -> None:
        self.loop = loop
        self.pulse = pulse
        self.ticktime = ticktime
        self.kill = kill
        self.is_hung = False
        self._heard = loop.time() + TIME_TO_START
        pulse.setblocking(False)
        self._timer = loop.call_later(ticktime / BEATS, self._beat)

    def begin(self) -> None:
        """It is up, and has no more than `ticktime` from now on."""
        self._heard = self.loop.time()

    def _beat(self) -> None:
        now = self.loop.time()
        try:
            # Read first: it may be this program that was busy.
            if self.pulse.recv(4096):
                self._heard = now
        except BlockingIOError:
            pass
        except OSError:
            return
        if now - self._heard >= self.ticktime:
            self.is_hung = True
            self.kill()  # not reaped: `stop` comes before that
            return
        with contextlib.suppress(OSError):  # nobody is there: that is seen elsewhere
            self.pulse.send(b".")
        self._timer = self.loop.call_later(self.ticktime / BEATS, self._beat)

    def stop(self) -> None:
        """Ask no more; what remains of the worker ends with that."""
        self._timer.cancel()
        self.pulse.close()
