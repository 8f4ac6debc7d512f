"""End the interpreter with processes, timers and thread jobs in flight.

python interpreter_exit.py plain|exit|hard|atexit|thread
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import sys
import threading
import time

import fastask

logging.getLogger("fastask").disabled = True  # it tells what was killed

forever = threading.Event()
left: list[fastask.Process] = []


async def busy() -> None:
    """Have one of everything in flight."""
    fastask.trap_exit(True)
    left.append(fastask.spawn(fastask.receive, name="waits"))
    left.append(fastask.spawn(forever.wait))
    fastask.async_(forever.wait)
    fastask.send_after(left[0], "never", 60.0)
    fastask.async_(fastask.sleep, 60.0)
    await fastask.sleep(0.001)


async def exits() -> None:
    """Call sys.exit inside a process."""
    await busy()
    fastask.spawn(leave)
    await fastask.receive()


async def leave() -> None:
    """End the interpreter from a process that is not the root."""
    print("leaving", flush=True)
    sys.exit(0)


async def hard() -> None:
    """End it at once."""
    await busy()
    print("leaving", flush=True)
    os._exit(0)


def plain() -> None:
    """Leave a loop that is neither closed nor finished behind."""
    loop = asyncio.SelectorEventLoop()
    loop.run_until_complete(busy())
    globals()["kept"] = loop
    print("leaving", flush=True)


def at_exit() -> None:
    """Use processes of a loop that is over while the interpreter ends."""
    atexit.register(late)
    fastask.run(busy, grace=0.0)


def late() -> None:
    """Send to the dead, and run once more."""
    for process in left:
        fastask.send(process, "late")
        with contextlib.suppress(RuntimeError):  # no loop runs
            fastask.exit(process, fastask.KILL)
    assert fastask.run(answer) == 4
    print("leaving", flush=True)


async def answer() -> int:
    """Work as ever."""
    return await fastask.async_(answer_of)


async def answer_of() -> int:
    """Return a number."""
    return 4


def thread() -> None:
    """Leave a daemon thread in the middle of a run behind."""
    threading.Thread(target=spin, daemon=True).start()
    time.sleep(0.02)
    print("leaving", flush=True)


def spin() -> None:
    """Run processes without end."""
    fastask.run(turn)


async def turn() -> None:
    """Start process after process."""
    while True:
        await fastask.async_(answer_of)


if __name__ == "__main__":
    if sys.argv[1] == "exit":
        fastask.run(exits, grace=0.0)
    elif sys.argv[1] == "hard":
        fastask.run(hard)
    else:
        {"plain": plain, "atexit": at_exit, "thread": thread}[sys.argv[1]]()
