"""Settings: what distributed reads from Dask's configuration, while an engine is up."""

from __future__ import annotations

import logging
import math
from typing import Any

import dask.config

CONNECT = 5.0
"""Seconds until a node that does not answer counts as out of reach."""

LEAST_TICKTIME = 11.0
"""Seconds: distributed sends ten keepalive probes, a second apart."""

QUIET: dict[str, Any] = {
    "distributed.comm.timeouts.connect": CONNECT,
    "distributed.worker.profile.enabled": False,  # else a thread that samples ours
    "distributed.admin.system-monitor.gil.enabled": False,  # else another
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "500ms",
    "distributed.worker.http.routes": [],  # the port stays, and answers nothing
    "distributed.worker.preload": [],  # what Dask's own workers are to import
    "distributed.worker.use-file-locking": False,  # each node has its own directory
    "distributed.diagnostics.nvml": False,  # else it asks the graphics cards
}


def is_news(record: logging.LogRecord) -> bool:
    """Whether a record says more than that the head is gone, which the engine tells."""
    return not str(record.msg).startswith("Failed to communicate with scheduler")


class Settings:
    """Holds the settings from the first engine of this program to the last.

    Dask's configuration belongs to the whole program, so it is given back as it was.
    Of engines side by side, the first decides the time after which TCP gives up.
    """

    def __init__(self) -> None:
        self._users = 0
        self._config: Any = None
        self._level = logging.NOTSET

    def hold(self, net_ticktime: float) -> None:
        """Apply the settings, unless another engine has."""
        self._users += 1
        if self._users > 1:
            return
        tcp = f"{math.ceil(max(net_ticktime, LEAST_TICKTIME))}s"
        self._config = dask.config.set(QUIET | {"distributed.comm.timeouts.tcp": tcp})
        logger = logging.getLogger("distributed")
        self._level = logger.level
        if self._level == logging.INFO:  # Dask's default: a dozen lines for each start
            logger.setLevel(logging.WARNING)
        logging.getLogger("distributed.worker").addFilter(is_news)

    def release(self) -> None:
        """Take the settings back, when no other engine needs them."""
        self._users -= 1
        if self._users:
            return
        self._config.__exit__(None, None, None)
        logging.getLogger("distributed").setLevel(self._level)
        logging.getLogger("distributed.worker").removeFilter(is_news)


settings = Settings()
