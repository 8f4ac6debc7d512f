"""The post: the service of somebody else that sends our letters."""

from __future__ import annotations

import logging
from typing import Protocol

import aiohttp

from examples.service.database import Unavailable
from examples.service.keeper import Resource
from examples.service.orders import Letter

DELIVERY_SECONDS = 2.0

_LOGGER = logging.getLogger(__name__)


class Post(Resource, Protocol):
    """Delivers letters."""

    async def deliver(self, letter: Letter) -> None:
        """Deliver a letter.

        Raises:
            Unavailable: If that has to be tried again. It may have been delivered.
        """


class HttpPost:
    """Hands letters to a service that takes an idempotency key, the order's number.

    Args:
        url: Where letters are posted to.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make a session, which keeps connections."""
        await self.close()  # one of a keeper that was killed
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=DELIVERY_SECONDS)
        )

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def deliver(self, letter: Letter) -> None:
        """Deliver a letter, see `Post`."""
        if self._session is None:
            raise Unavailable("no post: it is being opened")
        try:
            async with self._session.post(
                self.url,
                json={"order_id": letter.order_id, "text": letter.text},
                headers={"Idempotency-Key": str(letter.order_id)},
            ) as response:
                await response.read()
                response.raise_for_status()
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"no post: {error!r}") from error


class LogPost:
    """Writes letters to the log, where there is no such service."""

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def deliver(self, letter: Letter) -> None:
        """Write a letter to the log."""
        _LOGGER.info("letter about order %d: %s", letter.order_id, letter.text)
