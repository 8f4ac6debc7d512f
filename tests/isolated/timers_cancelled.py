"""50 000 timers of an hour, set and cancelled in batches of 1000."""

from __future__ import annotations

from fastask import self_, send_after, sleep

WARM_UP = 20
ROUNDS = 50


async def workload() -> None:
    timers = [send_after(self_(), number, 3600.0) for number in range(1000)]
    for timer in timers:
        assert timer.cancel() is not None
    await sleep(0)
