"""The daily checker of the article: every user, every day, whatever fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fastask import receive, receive_nowait, self_, send

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples.daily_checker import remind_unverified, tree  # noqa: E402  # see above


async def users() -> list[str]:
    return ["ann", "bob", "cy"]


class TestRemindUnverified:
    async def test_sends_a_message_to_each(self) -> None:
        sent: list[str] = []

        async def note(user: str) -> None:
            sent.append(user)

        assert await remind_unverified(users, note) == 3
        assert sorted(sent) == ["ann", "bob", "cy"]

    async def test_goes_on_where_one_cannot_be_sent(self) -> None:
        async def refuse_bob(user: str) -> None:
            if user == "bob":
                raise ConnectionError(user)

        assert await remind_unverified(users, refuse_bob) == 2
        assert receive_nowait(default=None) is None


class TestTree:
    async def test_runs_every_day(self) -> None:
        me = self_()

        async def note(user: str) -> None:
            send(me, user)

        async with tree(users, note, every=0.005):
            sent = [await receive(str) for _ in range(6)]

        assert sorted(sent[:3]) == sorted(sent[3:]) == ["ann", "bob", "cy"]

    @pytest.mark.usefixtures("crashes")
    async def test_runs_again_when_looking_for_users_failed(self) -> None:
        me = self_()
        failures = iter([ConnectionError("the database is away")])

        async def find() -> list[str]:
            for failure in failures:
                raise failure
            return ["ann"]

        async def note(user: str) -> None:
            send(me, user)

        async with tree(find, note):
            assert await receive(str) == "ann"

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
    def test_is_a_program(self) -> None:
        command = [
            sys.executable,
            "-m",
            "fastask",
            "run",
            "examples.daily_checker:tree",
        ]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as process:
            assert process.stdout is not None
            lines = sorted([process.stdout.readline(), process.stdout.readline()])
            process.send_signal(signal.SIGTERM)

            assert process.wait(timeout=30) == 0
        assert lines == [
            "please verify your address, ann@example.org\n",
            "please verify your address, bob@example.org\n",
        ]
