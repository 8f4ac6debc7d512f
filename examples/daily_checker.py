"""Once a day, look for users who are not verified, and send each a message.

A server that only waits and works needs no state and no messages: it is a function
under `Every`, or under `Cron` where the time on the clock matters. The supervisor
starts it again when it fails, and then it runs at once, as at the beginning.

    python -m fastask run examples.daily_checker:tree

The function is given what it needs, so that a test, or another program, gives it
something else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import fastask

__all__ = ["DAY", "SEND_TIMEOUT", "remind_unverified", "tree"]

DAY = 24 * 60 * 60.0
SEND_TIMEOUT = 10.0

Find = Callable[[], Awaitable[Iterable[str]]]
Send = Callable[[str], Awaitable[object]]


async def remind_unverified(find: Find, send: Send) -> int:
    """Send a message to each user that is not verified, eight at a time.

    A message that cannot be sent, or not in time, keeps nobody from theirs: it is tried
    again tomorrow.

    Args:
        find: Returns the addresses of the users.
        send: Sends a message to one of them.

    Returns:
        How many messages were sent.
    """
    users = await find()
    async with fastask.TaskSupervisor() as tasks:
        outcomes = tasks.async_stream_nolink(
            users,
            send,
            max_concurrency=8,
            ordered=False,
            timeout=SEND_TIMEOUT,
            on_timeout="kill_task",
        )
        return sum([isinstance(outcome, fastask.Ok) async for outcome in outcomes])


async def _find() -> list[str]:
    return ["ann@example.org", "bob@example.org"]


async def _send(user: str) -> None:
    print(f"please verify your address, {user}", flush=True)


def tree(
    find: Find = _find, send: Send = _send, every: float = DAY
) -> fastask.Supervisor:
    """Return the program, not started.

    Args:
        find: See `remind_unverified`.
        send: See `remind_unverified`.
        every: Seconds from one run to the next.
    """
    return fastask.Supervisor([fastask.Every(every, remind_unverified, find, send)])
