"""A floor: what a row must reach, from `floors.toml`, and whether it did."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import OTHER, Measured
from bench.row import ONLY
from bench.side import FASTASK

FILE = Path(__file__).with_name("floors.toml")


@dataclass(frozen=True)
class Floor:
    """One line of the table; the comments of the file say what each field means."""

    row: str
    side: str = FASTASK.name
    figure: str = ONLY
    of: str = ""
    at_least: float | None = None
    at_most: float | None = None
    within: float | None = None

    def reached(self, rows: Mapping[str, Measured]) -> float | None:
        """Return what was reached, or None where it was not measured."""
        if self.row not in rows:
            return None
        measured = rows[self.row]
        if self.at_least is not None:
            return measured.ratio(self.side, self.figure)
        if self.of:
            own, other = FASTASK.name, OTHER.format(self.of)
            return measured.ratio(own, self.figure, other)
        return measured.median(FASTASK.name, self.figure)

    def is_met(self, reached: float) -> bool:
        """Tell whether that is enough."""
        if self.at_least is not None:
            return reached >= self.at_least
        limit = self.at_most if self.within is None else self.within
        assert limit is not None
        return reached <= limit

    def __str__(self) -> str:
        """Say the rule."""
        if self.at_least is not None:
            rival = "" if self.side == "asyncio" else f" {self.side}"
            return f"≥ {self.at_least:g}{rival}"
        if self.of:
            return f"≤ {self.within:g} times {self.of}"
        return f"≤ {self.at_most:g}"


def load() -> list[Floor]:
    """Read the table."""
    return [Floor(**line) for line in tomllib.loads(FILE.read_text())["floor"]]


def marks(
    floors: Sequence[Floor], rows: Mapping[str, Measured], row: str, figure: str
) -> str:
    """Say the floors of a line of a report, and whether each is met."""
    said = []
    for floor in floors:
        reached = floor.reached(rows)
        if (floor.row, floor.figure) != (row, figure) or reached is None:
            continue
        if floor.is_met(reached):
            said.append(f"{floor}: met")
        else:
            said.append(f"**{floor}: missed**, {reached:.3g}")
    return "; ".join(said)


def missed(floors: Sequence[Floor], rows: Mapping[str, Measured]) -> list[str]:
    """List the floors that are not reached, in words."""
    found = []
    for floor in floors:
        reached = floor.reached(rows)
        if reached is not None and not floor.is_met(reached):
            found.append(f"{floor.row}: {floor}, reached {reached:.3g}")
    return found
