"""What must work in a loop in which something went wrong before."""

from __future__ import annotations

import fastask
from fastask import GenServer, call, receive, self_, send

WAIT = 5.0


class _Counter(GenServer):
    def init(self) -> None:
        self.n = 0

    @call
    def add(self, n: int) -> int:
        self.n += n
        return self.n


async def _echo() -> None:
    caller = await receive(fastask.Process)
    send(caller, "echo")


async def _double(n: int) -> int:
    return 2 * n


async def probe() -> None:
    """Use each part of the core once, in new processes, and leave nothing behind."""
    process, ref = fastask.spawn_monitor(_echo)
    send(process, self_())
    assert await receive(str, timeout=WAIT) == "echo"
    down = await receive(ref, timeout=WAIT)
    assert down.reason is fastask.NORMAL
    assert await fastask.await_(fastask.async_nolink(_double, 4), timeout=WAIT) == 8
    timer = fastask.start_timer(0.0, self_(), "late")
    assert (await receive(timer.ref, timeout=WAIT)).message == "late"
    await fastask.sleep(0.0005)
    server = await _Counter.start()
    assert await _Counter.add(server, 2) == 2
    await GenServer.stop(server)
    assert fastask.receive_nowait(default=None) is None
