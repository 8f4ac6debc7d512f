"""Head: the Dask scheduler that lists the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from distributed import Scheduler

from fastask._nodes.dask.security import LOOPBACK, check_host, security_of
from fastask._nodes.dask.settings import settings

PORT = 8786
"""Where Dask's own schedulers listen, too."""


@dataclass(frozen=True)
class Head:
    """What a head is started with.

    Attributes:
        host: Where it listens.
        port: The port; 0 takes a free one.
        security: As `DaskEngine.start` takes it.
        net_ticktime: Seconds after which a node that sends no heartbeat is taken off
            the list. One whose connection breaks is taken off at once.
    """

    host: str = LOOPBACK
    port: int = PORT
    security: Any = None
    net_ticktime: float = 60.0

    async def serve(self, started: Callable[[str], None]) -> None:
        """List nodes until cancelled, or until somebody closes the scheduler.

        Args:
            started: Called with the address that nodes join.

        Raises:
            ValueError: If other machines reach the host and there are no certificates.
            OSError: If the port is taken.
        """
        security = security_of(self.security)
        check_host(self.host, security)
        settings.hold(self.net_ticktime)
        try:
            await self._serve(security, started)
        finally:
            settings.release()

    async def _serve(self, security: Any, started: Callable[[str], None]) -> None:
        scheduler = Scheduler(
            host=self.host,
            port=self.port,
            protocol="tcp" if security is None else "tls",
            security=security,
            dashboard=False,
            dashboard_address=f"{LOOPBACK}:0",
            worker_ttl=self.net_ticktime,
        )
        try:
            try:
                await scheduler
            except RuntimeError as error:  # distributed hides what went wrong in it
                raise error.__cause__ or error from None
            started(scheduler.address)
            await scheduler.finished()
        finally:
            await scheduler.close()
