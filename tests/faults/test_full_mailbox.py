"""A mailbox with millions of messages: they cost little, and come in order.

FASTASK_MESSAGES sets how many; the ordinary run takes two million.
"""

from __future__ import annotations

import os
import tracemalloc

import pytest

import fastask
from fastask import Process, receive, self_, send

MESSAGES = int(os.environ.get("FASTASK_MESSAGES", "2_000_000"))
BYTES = 160
"""What a message in a mailbox may take: the letter, without what it says."""


@pytest.mark.slow
class TestFullMailbox:
    async def test_messages_come_in_order(self) -> None:
        async def sleeper(parent: Process[None]) -> None:
            await receive(lambda message: message == "wake")
            for number in range(MESSAGES):
                if await receive() != number % 200:
                    send(parent, f"message {number} is out of order")
                    return
            send(parent, "all in order")

        process = fastask.spawn_link(sleeper, self_())
        await fastask.sleep(0)
        for number in range(MESSAGES):
            send(process, number % 200)
        send(process, "wake")

        assert await receive(timeout=25.0) == "all in order"

    async def test_a_message_takes_little(self) -> None:
        count = 10_000
        process = fastask.spawn(fastask.sleep, None)
        tracemalloc.start()
        try:
            for _ in range(count):
                send(process, 1)
            used, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        fastask.exit(process, fastask.KILL)

        assert used / count <= BYTES

    async def test_a_full_mailbox_is_dropped_at_once(self) -> None:
        process, ref = fastask.spawn_monitor(fastask.sleep, None)
        await fastask.sleep(0)
        for _ in range(MESSAGES):
            send(process, 1)
        fastask.exit(process, fastask.KILL)

        assert (await receive(ref, timeout=0)).reason is fastask.KILLED
