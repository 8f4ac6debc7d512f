"""What supervisors log: restarts, giving up, children that stop late or badly."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Any

from fastask._core.process import Process

_LOGGER = logging.getLogger("fastask")


def report_restart(
    supervisor: Process[Any], id: Hashable, reason: Any, number: int, of: int
) -> None:
    """Log that a child is restarted."""
    _LOGGER.warning(
        "supervisor %r restarts child %r after %r: restart %d of %d",
        supervisor,
        id,
        reason,
        number,
        of,
        extra=_extra(supervisor, id, reason, number),
    )


def report_start_failure(
    supervisor: Process[Any], id: Hashable, reason: Any, number: int
) -> None:
    """Log that the restart of a child failed."""
    _LOGGER.error(
        "supervisor %r: the restart of child %r failed: %r",
        supervisor,
        id,
        reason,
        exc_info=reason if isinstance(reason, BaseException) else None,
        extra=_extra(supervisor, id, reason, number),
    )


def report_giving_up(
    supervisor: Process[Any], id: Hashable, reason: Any, number: int, seconds: float
) -> None:
    """Log that a supervisor ends, since its children end too often."""
    _LOGGER.error(
        "supervisor %r gives up: child %r ended with %r, and restart %d within %g s "
        "would be one too many",
        supervisor,
        id,
        reason,
        number,
        seconds,
        extra=_extra(supervisor, id, reason, number),
    )


def report_slow_shutdown(
    supervisor: Process[Any], id: Hashable, process: Process[Any], seconds: Any
) -> None:
    """Log that a child did not stop in time, and is killed."""
    _LOGGER.warning(
        "supervisor %r kills child %r, %r: it did not stop within %s s",
        supervisor,
        id,
        process,
        seconds,
        extra=_extra(supervisor, id, "killed", 0),
    )


def report_shutdown(
    supervisor: Process[Any], id: Hashable, process: Process[Any], reason: Any
) -> None:
    """Log that a child which was to stop ended for another reason."""
    _LOGGER.error(
        "supervisor %r: child %r, %r, was to stop and ended with %r",
        supervisor,
        id,
        process,
        reason,
        exc_info=reason if isinstance(reason, BaseException) else None,
        extra=_extra(supervisor, id, reason, 0),
    )


def _extra(
    supervisor: Process[Any], id: Hashable, reason: Any, number: int
) -> dict[str, Any]:
    return {
        "supervisor": supervisor,
        "child_id": id,
        "exit_reason": reason,
        "restart_count": number,
    }
