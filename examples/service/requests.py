"""Requests: each is a supervised task with a deadline, and ends with its client."""

from __future__ import annotations

import asyncio
import logging

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import fastask
from examples.service.report import abandon

BODY_BYTES = 64 * 1024
UNWIND_SECONDS = 1.0
"""What a request may take to stop, when nobody wants its answer any more."""

_LOGGER = logging.getLogger(__name__)


class Requests:
    """ASGI middleware that runs each request as a child of a task supervisor.

    An answer is there within the deadline and a second. One that comes too late is 504,
    too many at a time are 503, a crash is 500. When the client goes away, the request
    is told to stop: it unwinds, and what it had begun in the database is undone.

    Args:
        app: What answers.
        supervisor: Whose children the requests are.
        deadline: Seconds from the last byte of a request to its answer.
    """

    def __init__(
        self, app: ASGIApp, supervisor: fastask.TaskSupervisor, deadline: float
    ) -> None:
        self.app = app
        self.supervisor = supervisor
        self.deadline = deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, in the task that uvicorn made for it."""
        answer = Answer(scope, send)
        try:
            async with asyncio.timeout(self.deadline):
                body = await read(receive)
        except TimeoutError:
            await answer.error(408, "the request did not arrive in time")
            return
        except ValueError as error:
            await answer.error(413, str(error))
            return
        if body is not None:
            await self.supervise(answer, body, receive)

    async def supervise(self, answer: Answer, body: bytes, receive: Receive) -> None:
        """Run the app, until it has answered, the client is gone or time is over."""
        try:
            work = self.supervisor.async_nolink(
                self.app, answer.scope, replay(body), answer.send
            )
        except (fastask.NoProcessError, fastask.MaxChildrenError):
            await answer.error(503, "too many requests, ask again")
            return
        client = fastask.async_nolink(until_gone, receive)
        try:
            [(_, outcome), _] = await fastask.yield_many(
                [work, client], self.deadline, limit=1
            )
            if outcome is None:
                await fastask.shutdown(work, UNWIND_SECONDS)
                # Nobody hears it, where the client is gone.
                await answer.error(504, "no answer in time, ask again")
            elif isinstance(outcome, fastask.Failed):
                report(outcome.reason)
                await answer.error(500, "that is our fault")
        finally:
            abandon(work)
            abandon(client)


def report(reason: object) -> None:
    """Log that a request crashed."""
    error = reason if isinstance(reason, BaseException) else None
    _LOGGER.error("a request crashed: %r", reason, exc_info=error)


class Answer:
    """Notes whether the answer to a request has begun.

    Args:
        scope: Of the request.
        send: Sends to the client.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.has_begun = False
        self._send = send

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        self.has_begun = True
        await self._send(message)

    async def error(self, status: int, why: str) -> None:
        """Answer with an error, unless an answer has begun."""
        if not self.has_begun:
            response = JSONResponse({"error": why}, status)
            await response(self.scope, replay(b""), self.send)


async def read(receive: Receive) -> bytes | None:
    """Read the body; None when the client went away.

    Raises:
        ValueError: If it is too long.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            raise ValueError(f"the body must have <= {BODY_BYTES} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def replay(body: bytes) -> Receive:
    """Return what gives the app a body that was read before."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def until_gone(receive: Receive) -> None:
    """Wait until the client is gone, or has its answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
