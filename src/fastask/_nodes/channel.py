"""Channel: short messages, and open sockets, between a program and its workers."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from fastask._nodes.watching import (
    not_readable,
    not_writable,
    on_readable,
    on_writable,
)

Message = dict[str, Any]


class Channel:
    """Sends and receives JSON objects over a socket; a socket can go with each.

    The loop reads it: `receive(message, socket or None)` is called for each message,
    and `closed()` once, when the other side is gone.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        own: socket.socket,
        receive: Callable[[Message, socket.socket | None], None],
        closed: Callable[[], None],
    ) -> None:
        self.loop = loop
        self.socket = own
        self.receive = receive
        self.closed = closed
        self._text = b""
        self._sockets: deque[socket.socket] = deque()
        self._outgoing: deque[tuple[bytes, socket.socket | None]] = deque()
        self._is_open = True
        own.setblocking(False)
        on_readable(loop, own.fileno(), self._readable)

    def send(self, message: Message, given: socket.socket | None = None) -> None:
        """Send a message soon; a socket that goes with it is closed here."""
        if not self._is_open:
            if given is not None:
                given.close()
            return
        message = {**message, "socket": given is not None}
        self._outgoing.append((json.dumps(message).encode() + b"\n", given))
        if len(self._outgoing) == 1:
            self._writable()

    def close(self) -> None:
        """Close it; `closed` is not called."""
        if not self._is_open:
            return
        self._is_open = False
        not_readable(self.loop, self.socket.fileno())
        not_writable(self.loop, self.socket.fileno())
        self.socket.close()
        for given in (*self._sockets, *(s for _, s in self._outgoing if s is not None)):
            given.close()
        self._sockets.clear()
        self._outgoing.clear()

    def _writable(self) -> None:
        if sys.platform == "win32":
            raise RuntimeError("sockets cannot be handed over: `socket_pair` refuses")
        while self._outgoing:
            text, given = self._outgoing[0]
            try:
                if given is None:
                    sent = self.socket.send(text)
                else:
                    sent = socket.send_fds(self.socket, [text], [given.fileno()])
            except BlockingIOError:
                on_writable(self.loop, self.socket.fileno(), self._writable)
                return
            except OSError:
                self._lost()
                return
            if given is not None:
                given.close()
            if sent < len(text):
                self._outgoing[0] = text[sent:], None
            else:
                self._outgoing.popleft()
        not_writable(self.loop, self.socket.fileno())

    def _readable(self) -> None:
        if sys.platform == "win32":
            raise RuntimeError("sockets cannot be handed over: `socket_pair` refuses")
        try:
            text, numbers, _, _ = socket.recv_fds(self.socket, 65536, 16)
        except BlockingIOError:
            return
        except OSError:
            self._lost()
            return
        self._sockets += [socket.socket(fileno=number) for number in numbers]
        if not text:
            self._lost()
            return
        *lines, self._text = (self._text + text).split(b"\n")
        for line in lines:
            message = json.loads(line)
            given = self._sockets.popleft() if message["socket"] else None
            self.receive(message, given)

    def _lost(self) -> None:
        if self._is_open:
            self.close()
            self.closed()
