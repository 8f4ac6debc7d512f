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
    turns: Mapping[str, tuple[Side, Row, Round]],
    rounds: int,
) -> None:
    """Run rounds of all sides in turn; every second round in the opposite order.

    A first round of each goes uncounted: it fills the caches and freelists. Who fails
    once is left out.

    Args:
        measured: Takes the figures.
        turns: By the names of their figures: the sides, which row of theirs, and what
            is to be done. Where each round has a fresh process, none goes uncounted.
        rounds: How many.
    """
    rows = [row for _, row, _ in turns.values()]
    rounds = min([rounds, *(row.rounds for row in rows if row.rounds)])
    fresh = any(row.fresh for row in rows)
    workers: dict[str, Measuring] = {}
    left = list(turns)
    try:
        for index in range(rounds + (not fresh)):
            for name in list(left[:: -1 if index % 2 else 1]):
                side, row, task = turns[name]
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
                if index or fresh:
                    measured.add(name, figures)
                if fresh:
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


def whole(row: Row, is_quick: bool, idle: int = 0) -> Round:
    """Return a round of all operations of a row, or of a tenth of them."""
    return Round(row.few if is_quick else row.operations, idle, row.clock)


OTHER = "fastask of {}"
"""What fastask's figures of another row are called among the sides of a row."""


def measure(
    row: Row,
    rivals: Sequence[str],
    rounds: int,
    *,
    others: Sequence[Row] = (),
    is_quick: bool = False,
) -> Measured:
    """Measure a row.

    Args:
        row: Which.
        rivals: Names of the sides beside fastask; those that have no answer, or are
            not installed, are left out.
        rounds: How many rounds count.
        others: Rows that fastask measures in turn with this one, to be compared with.
        is_quick: Whether a tenth of the operations is enough.

    Returns:
        The figures of every round; `OTHER` has the names of those of other rows.
    """
    measured = Measured.of(row)
    turns = {
        side.name: (side, row, whole(row, is_quick)) for side in sides_of(row, rivals)
    }
    for other in others:
        turns[OTHER.format(other.name)] = FASTASK, other, whole(other, is_quick)
    take_turns(measured, turns, rounds)
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
    turns = {}
    for side in sides_of(row, rivals):
        if side.name not in BESIDE:
            continue
        both = WITH_IDLE.format(side.name)
        turns[side.name] = side, row, whole(row, is_quick)
        turns[both] = side, row, whole(row, is_quick, idle)
    take_turns(measured, turns, rounds)
    return measured
