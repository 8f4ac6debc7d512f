"""Elixir: the same rows on the BEAM, by scripts that print nanoseconds."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path

from bench.row import ONLY, Row
from bench.worker import LIMIT_SECONDS, Round, WorkerError

SCRIPTS = Path(__file__).parent / "elixir"
PROCESSES = "+P 4000000"
"""A million idle ones are more than the BEAM allows unless it is told to."""

SCHEDULERS = {"elixir": "+S 1:1", "elixir_all": ""}


class Beam:
    """Runs the rounds of a row on the BEAM, each on one that is started for it.

    A script warms up before it reads its clock; the start of the BEAM does not count.
    """

    def __init__(self, side: str, row: Row) -> None:
        """Name the script and the schedulers; nothing is started yet."""
        self._row = row
        self._flags = f"{SCHEDULERS[side]} {PROCESSES}".strip()

    def measure(self, task: Round) -> dict[str, float]:
        """Run a round.

        Args:
            task: What to do. Beside idle processes the BEAM is not measured.

        Returns:
            The figures by their names.

        Raises:
            WorkerError: If the script failed.
        """
        script, *arguments = self._row.beam
        run = subprocess.run(
            [
                "elixir",
                "--erl",
                self._flags,
                *("-r", str(SCRIPTS / "bench.exs")),
                str(SCRIPTS / f"{script}.exs"),
                *arguments,
                str(task.operations),
            ],
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        if run.returncode:
            raise WorkerError(f"{script}.exs {arguments}: {run.stderr or run.stdout}")
        found = json.loads(run.stdout)
        if isinstance(found, dict):
            return found
        return {ONLY: found / task.operations}

    def close(self) -> None:
        """Do nothing: the BEAM of each round has ended with it."""


@functools.cache
def version() -> str | None:
    """Return the version of Elixir and of OTP, or None where it is not installed."""
    if shutil.which("elixir") is None:
        return None
    expression = 'IO.puts("#{System.version()} on OTP #{System.otp_release()}")'
    run = subprocess.run(
        ["elixir", "-e", expression], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()
