"""50 000 timers that fire, in batches of 1000."""

from __future__ import annotations

from fastask import receive, self_, send_after

WARM_UP = 20
ROUNDS = 50


async def workload() -> None:
    for number in range(1000):
        send_after(self_(), number, 0.001)
    for _ in range(1000):
        await receive(timeout=5.0)
