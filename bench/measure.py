"""Measuring: the sides of a row in turn, round by round, each in its own process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.beam import Beam
from bench.row import Row
from bench.side import BESIDE, FASTASK, SIDES, Side
from bench.worker import Measuring, Round, Worker, WorkerError

Rounds = dict[str, list[float]]
"""A figure of each round, by the names of the figures."""


@dataclass
class Measured:
    """The rounds of all sides of one row."""

    name: str
    title: str
    unit: str
    figures: list[str]
    rounds: dict[str, Rounds] = field(default_factory=dict)
    """By the names of the sides."""

    failed: dict[str, str] = field(default_factory=dict)
    """Sides that failed, and how."""

    @classmethod
    def of(cls, row: Row) -> Measured:
        """Begin with a row and no rounds."""
        return cls(row.name, row.title, row.unit, list(row.figures))

    @classmethod
    def load(cls, found: dict[str, Any]) -> Measured:
        """Return what was written as JSON."""
        return cls(**found)

    def add(self, side: str, figures: dict[str, float]) -> None:
        """Note a round."""
        rounds = self.rounds.setdefault(side, {})
        for figure, value in figures.items():
            rounds.setdefault(figure, []).append(value)

    def median(self, side: str, figure: str) -> float | None:
        """Return the median of a figure, or None where it was not measured."""
        values = self.rounds.get(side, {}).get(figure)
        return median(values) if values else None

    def fastest(self, side: str, figure: str) -> float | None:
        """Return the least that any round took, or None where it was not measured."""
        values = self.rounds.get(side, {}).get(figure)
        return min(values) if values else None

    def ratio(self, side: str, figure: str, own: str = FASTASK.name) -> float | None:
        """Return how many times more a side takes: the median over the rounds."""
        rivals = self.rounds.get(side, {}).get(figure)
        owns = self.rounds.get(own, {}).get(figure)
        if not rivals or not owns:
            return None
        rounds = zip(rivals, owns, strict=True)
        return median(rival / value if value else 0.0 for rival, value in rounds)


def open_side(side: Side, row: Row) -> Measuring:
    """Start what runs the rounds of a side."""
    return Beam(side.name, row) if side.runner is None else Worker(side.name, row)


def take_turns(
    measured: Measured,
    turns: Mapping[str, tuple[Side, Round]],
    row: Row,
    rounds: int,
) -> None:
    """Run rounds of all sides in turn; every second round in the opposite order.

    A first round of each goes uncounted: it fills the caches and freelists. Who fails
    once is left out.

    Args:
        measured: Takes the figures.
        turns: The sides by the names of their figures, and what each is to do.
        row: Which row. If each of its rounds needs a fresh process, none goes
            uncounted.
        rounds: How many.
    """
    if row.rounds:
        rounds = min(rounds, row.rounds)
    workers: dict[str, Measuring] = {}
    left = list(turns)
    try:
        for index in range(rounds + (not row.fresh)):
            for name in list(left[:: -1 if index % 2 else 1]):
                side, task = turns[name]
                if name not in workers:
                    workers[name] = open_side(side, row)
                try:
                    figures = workers[name].measure(task)
                except WorkerError as error:
                    print(f"  {error}", file=sys.stderr)
                    measured.failed[name] = str(error)
                    measured.rounds.pop(name, None)
                    left.remove(name)
                    continue
                if index or row.fresh:
                    measured.add(name, figures)
                if row.fresh:
                    workers.pop(name).close()
    finally:
        for worker in workers.values():
            worker.close()


def sides_of(row: Row, rivals: Sequence[str]) -> list[Side]:
    """Return fastask and the rivals that are wanted, installed and have an answer."""
    wanted = [FASTASK.name, *rivals]
    return [
        side
        for side in SIDES.values()
        if side.name in wanted and side.answers(row) and not side.missing()
    ]


def measure(
    row: Row, rivals: Sequence[str], rounds: int, *, is_quick: bool = False
) -> Measured:
    """Measure a row.

    Args:
        row: Which.
        rivals: Names of the sides beside fastask; those that have no answer, or are
            not installed, are left out.
        rounds: How many rounds count.
        is_quick: Whether a tenth of the operations is enough.

    Returns:
        The figures of every round.
    """
    measured = Measured.of(row)
    task = Round(row.few if is_quick else row.operations, clock=row.clock)
    turns = {side.name: (side, task) for side in sides_of(row, rivals)}
    take_turns(measured, turns, row, rounds)
    return measured


WITH_IDLE = "{}+idle"
"""What a side beside idle processes is called among the sides of a row."""


def measure_idle(
    row: Row, idle: int, rivals: Sequence[str], rounds: int, *, is_quick: bool = False
) -> Measured:
    """Measure a row with and without many that wait in the background.

    Args:
        row: Which.
        idle: How many processes wait, on the sides of asyncio: tasks.
        rivals: As for `measure`; only sides on asyncio can have a background.
        rounds: How many rounds count.
        is_quick: Whether a tenth of the operations is enough.

    Returns:
        The figures of every round; `WITH_IDLE` has the name of those with the others.
    """
    measured = Measured.of(row)
    operations = row.few if is_quick else row.operations
    turns = {}
    for side in sides_of(row, rivals):
        if side.name not in BESIDE:
            continue
        turns[side.name] = side, Round(operations, 0, row.clock)
        turns[WITH_IDLE.format(side.name)] = side, Round(operations, idle, row.clock)
    take_turns(measured, turns, row, rounds)
    return measured
