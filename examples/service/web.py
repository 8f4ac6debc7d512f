"""The web server: uvicorn as a child of our tree, in our event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

import fastask

BACKLOG = 2048


class Uvicorn(uvicorn.Server):
    """A uvicorn that leaves the signals of the process to `fastask.run`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(server: uvicorn.Server, listening: socket.socket) -> None:
    """Serve until `server.should_exit`; an exit signal is a hard stop."""
    try:
        await server.serve([listening])
    finally:
        for listener in server.servers:
            listener.close()
        if listening.fileno() >= 0:  # it was to become a listener when the signal came
            with contextlib.suppress(NotImplementedError):  # a proactor has no readers
                asyncio.get_running_loop().remove_reader(listening)
            listening.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()  # when its answer is out


class WebServer(fastask.GenServer):
    """Serves an app until its supervisor stops it, and finishes what it has begun.

    Stopping, it closes the port and the idle connections at once, and waits for the
    answers that are due; those that are not there after `drain` seconds are cancelled.
    """

    def init(
        self,
        app: ASGIApp,
        address: tuple[str, int],
        on_start: Callable[[int], None],
        drain: int,
    ) -> None:
        """Open the port.

        Args:
            app: What answers.
            address: Host and port; port 0 is any that is free.
            on_start: Is told the port.
            drain: Seconds that the answers may take, after the port was closed.
        """
        fastask.trap_exit(True)
        self.socket = socket.create_server(address, backlog=BACKLOG)
        self.server = Uvicorn(
            uvicorn.Config(
                app,
                lifespan="off",
                access_log=False,
                log_config=None,
                backlog=BACKLOG,
                timeout_graceful_shutdown=drain,
            )
        )
        self.serving = fastask.async_(serve, self.server, self.socket)
        on_start(self.socket.getsockname()[1])

    def handle_info(self, message: object) -> fastask.Stop | None:
        """End when uvicorn does; that is a crash, as nobody told it to."""
        match message:
            case fastask.Down(_, _, reason) | fastask.Reply(_, reason):
                return fastask.Stop(("uvicorn_ended", reason))
        return None

    async def terminate(self, reason: object) -> None:
        """Stop to accept, and wait for the answers that are due."""
        self.server.should_exit = True
        try:
            await fastask.yield_(self.serving, None)
        finally:
            self.socket.close()
