"""Fork in the middle: the child runs a loop of its own, the parent goes on."""

from __future__ import annotations

import os
import sys
import threading
import warnings

from probe import probe

import fastask

assert sys.platform != "win32", "it has no fork"


async def child() -> None:
    """Fork inside a process, with others, timers and threads in flight."""
    others = [fastask.spawn(fastask.receive) for _ in range(3)]
    fastask.send_after(fastask.self_(), "late", 0.0)
    event = threading.Event()
    thread = fastask.async_(event.wait)
    await fastask.sleep(0)
    pid = os.fork()
    if pid == 0:
        os._exit(in_child())
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    assert await fastask.receive(str, timeout=5.0) == "late"
    event.set()
    assert await thread
    for other in others:
        fastask.send(other, "go")
    await probe()


def in_child() -> int:
    """Run a loop in a thread, which has none yet, as the parent's is running here."""
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(fastask.run(fresh)))
    thread.start()
    thread.join(10.0)
    return done[0]


async def fresh() -> int:
    """Use the core, with threads."""
    await probe()
    return await fastask.async_(abs, -7)


def after() -> None:
    """Fork between runs."""
    pid = os.fork()
    if pid == 0:
        os._exit(fastask.run(fresh))
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 7


if __name__ == "__main__":
    warnings.filterwarnings(  # that is what this program is about; from 3.12 on
        "ignore",
        r"This process \(pid=\d+\) is multi-threaded, use of fork\(\)",
        DeprecationWarning,
    )
    fastask.run(child)
    after()
    fastask.run(child)
    print("forked")
