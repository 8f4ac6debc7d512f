"""The stall watchdog: in debug mode, reports what blocks the event loop, and where."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from types import TracebackType

_LOGGER = logging.getLogger("fastask")


class Watchdog:
    """A thread that looks whether one step of a process takes too long.

    Too long is `loop.slow_callback_duration` (0.1 s). Each stall is reported once,
    while it lasts, with the stack of the thread of the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._over = threading.Event()
        self._watched = threading.get_ident()
        self._thread = threading.Thread(
            target=self._watch, name="fastask-watchdog", daemon=True
        )

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        limit: float = self._loop.slow_callback_duration
        last: tuple[int, object] = (-1, None)
        reported = -1
        while not self._over.wait(limit / 2):
            now = self._running()
            if now[1] is not None and now == last and now[0] != reported:
                reported = now[0]
                self._report(now[1], limit)
            last = now

    def _running(self) -> tuple[int, object]:
        scheduler = getattr(self._loop, "_fastask_scheduler", None)
        if scheduler is None:
            return -1, None
        return scheduler.steps, scheduler.on_stack

    def _report(self, process: object, limit: float) -> None:
        frame = sys._current_frames().get(self._watched)
        stack = "".join(traceback.format_stack(frame)) if frame else "(no stack)"
        _LOGGER.warning(
            "%r blocks the event loop for more than %g s:\n%s",
            process,
            limit / 2,
            stack,
        )
