"""A worker: one side of one row, in a process of its own that lives for all its rounds.

`python -m bench.worker SIDE ROW` reads a line of JSON for each round and answers it
with another. What the workloads print goes to the standard error.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from bench import clock
from bench.row import ONLY, Figures, Row

LIMIT_SECONDS = 900.0


class WorkerError(RuntimeError):
    """A worker ended without an answer."""


@dataclass(frozen=True)
class Round:
    """What a worker is to do."""

    operations: int
    idle: int = 0
    clock: clock.ClockName = "wall"


class Measuring(Protocol):
    """What runs the rounds of one side of one row."""

    def measure(self, task: Round) -> dict[str, float]:
        """Run a round and return its figures by their names."""

    def close(self) -> None:
        """End whatever still runs."""


def each(figures: Figures, operations: int) -> dict[str, float]:
    """Name the figures of a round; a number is that of all operations together."""
    if isinstance(figures, dict):
        return figures
    return {ONLY: figures / operations}


class Worker:
    """The measuring program's end of a worker."""

    def __init__(self, side: str, row: Row) -> None:
        """Start the process; it imports while nothing is measured."""
        self._what = f"{side} of {row.name}"
        command = [sys.executable, "-m", "bench.worker", side, row.name]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def __enter__(self) -> Self:
        """Return the worker."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self.close()

    def measure(self, task: Round) -> dict[str, float]:
        """Run a round.

        Args:
            task: What to do.

        Returns:
            The figures by their names.

        Raises:
            WorkerError: If the process ended, or took longer than `LIMIT_SECONDS`.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        guard = threading.Timer(LIMIT_SECONDS, process.kill)
        guard.start()
        try:
            process.stdin.write(json.dumps(vars(task)) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            guard.cancel()
        if not answer:
            raise WorkerError(f"{self._what} ended with status {process.wait()}")
        figures: dict[str, float] = json.loads(answer)
        return figures

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.communicate()


def serve(side_name: str, row_name: str) -> None:
    """Answer rounds until the standard input ends."""
    from bench.side import SIDES
    from bench.workloads import ROWS

    # What a workload prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.disable()
    side, row = SIDES[side_name], ROWS[row_name]
    for line in sys.stdin:
        task = Round(**json.loads(line))
        clock.choose(task.clock)
        figures = side.run(row, task.operations, task.idle)
        answers.write(json.dumps(each(figures, task.operations)) + "\n")
        answers.flush()


def main(argv: Sequence[str]) -> None:
    """Be the worker that the command line names."""
    side, row = argv
    serve(side, row)


if __name__ == "__main__":
    main(sys.argv[1:])
