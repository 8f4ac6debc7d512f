"""Makes the Python that imports it look like one on Windows.

Imported before fastask. What POSIX alone has is missing, a signal wakes no `select`,
loops take no signal handlers and their clock ticks 64 times a second. `PROACTOR` stands
for the loop that asyncio has there by default, `WINLOOP` for the one of winloop, which
can be imported if the environment variable FASTASK_WINLOOP is set.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401  # whatever asks for the platform
import logging.config  # noqa: F401  # likewise
import os
import signal
import subprocess  # noqa: F401  # likewise
import sys
import tempfile  # noqa: F401  # likewise
import threading
import types
import zoneinfo  # noqa: F401  # likewise
from asyncio.selector_events import BaseSelectorEventLoop
from typing import Any, NoReturn

assert sys.platform != "win32", "this is what it plays"

asyncio.set_event_loop(None)  # likewise, from Python 3.14 on

TICK = 1 / 64

MISSING: dict[types.ModuleType, str] = {
    os: "fork forkpty getuid geteuid getgid killpg getpgid setsid openpty mkfifo uname "
    "sched_getaffinity sched_setaffinity sysconf register_at_fork wait wait3 wait4",
    signal: "SIGKILL SIGHUP SIGQUIT SIGALRM SIGCHLD SIGUSR1 SIGUSR2 SIGPIPE SIGSTOP "
    "SIGCONT setitimer getitimer alarm pause pthread_kill pthread_sigmask sigwait "
    "siginterrupt",
}

ABSENT = (
    *("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"),
    "uvloop",
)


def only_posix(*arguments: object, **options: object) -> NoReturn:
    """What asyncio's loops on Windows do when they are asked for the impossible."""
    raise NotImplementedError


class Coarse(asyncio.SelectorEventLoop):
    """What all loops have in common there."""

    turns = 0

    add_signal_handler = only_posix  # pyright: ignore[reportAssignmentType]  # stands in
    remove_signal_handler = only_posix
    create_unix_server = only_posix
    create_unix_connection = only_posix

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._clock_resolution = TICK

    def close(self) -> None:
        """Close, without the signal handlers that there are none of."""
        BaseSelectorEventLoop.close(self)

    def time(self) -> float:
        """Return the seconds of a clock that stands between its ticks."""
        return super().time() // TICK * TICK

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]  # private to asyncio


class Selector(Coarse):
    """Stands for `asyncio.SelectorEventLoop`."""


class Waking(Coarse):
    """A loop that has itself woken by signals, and knows no readers."""

    add_reader = only_posix  # pyright: ignore[reportAssignmentType]  # stands in
    remove_reader = only_posix

    def __init__(self) -> None:
        super().__init__()
        signal.set_wakeup_fd(self._csock.fileno())  # type: ignore[attr-defined]  # likewise

    def close(self) -> None:
        """Close, and be woken no more."""
        if not self.is_closed():
            signal.set_wakeup_fd(-1)
        super().close()


class Proactor(Waking):
    """Stands for `asyncio.ProactorEventLoop`."""


class Winloop(Waking):
    """Stands for the loop of winloop."""


# The system hands a signal to a thread that does not block it: the handler in C runs
# there, the one in Python in the main thread when that wakes up.
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.__dict__["SIGBREAK"] = signal.Signals(21)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, 21})

for module, names in MISSING.items():
    for name in names.split():
        delattr(module, name)
if sys.version_info >= (3, 13):
    vars(os)["process_cpu_count"] = os.cpu_count  # the one of POSIX asks for affinity
for name in ABSENT:
    sys.modules[name] = None  # type: ignore[assignment]  # its import fails
sys.modules["winloop"] = None  # type: ignore[assignment]  # likewise
if os.environ.get("FASTASK_WINLOOP"):
    winloop = types.ModuleType("winloop")
    vars(winloop)["new_event_loop"] = Winloop
    sys.modules["winloop"] = winloop
sys.platform = "win32"
asyncio.__dict__.update(SelectorEventLoop=Selector, new_event_loop=Proactor)
