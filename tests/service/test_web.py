"""The port of the web server of `examples/service`, when a kill leaves no time."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

import fastask
from examples.service.web import WebServer


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing: nobody asks."""


class TestPort:
    @pytest.mark.parametrize("turns", range(3))
    @pytest.mark.usefixtures("crashes")
    async def test_is_closed_by_a_kill_while_it_opens(self, turns: int) -> None:
        fastask.trap_exit(True)
        ports: list[int] = []
        server = await WebServer.start_link(app, ("127.0.0.1", 0), ports.append, 1)
        assert server is not None
        for _ in range(turns):
            await asyncio.sleep(0)
        fastask.exit(server, fastask.KILL)
        await fastask.receive(fastask.Exited)
        while fastask.processes() != [fastask.self_()]:
            await asyncio.sleep(0)

        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", ports[0])).close()
