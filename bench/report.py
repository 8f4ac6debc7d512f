"""A report: what was measured, as Markdown and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import beam, floor
from bench.measure import WITH_IDLE, Measured
from bench.side import BESIDE, FASTASK, SIDES

MAIN = ("asyncio", "asyncio_own", "anyio", "trio", "elixir", "elixir_all")
"""Rivals with a column of their own; the others share the last one."""

SHORT = {
    "asyncio_own": "its own loop",
    "elixir": "Elixir, 1 scheduler",
    "elixir_all": "Elixir, all",
}

IDLE_LIMIT = 1.5
"""So many times longer a row may take beside idle processes."""


@dataclass
class Report:
    """Rows that were measured, and what they hold for."""

    machine: dict[str, str]
    rows: list[Measured]
    idle: int = 0

    @property
    def by_name(self) -> Mapping[str, Measured]:
        """The rows by their names."""
        return {row.name: row for row in self.rows}

    def save(self, file: Path) -> None:
        """Write every round as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Report:
        """Read what `save` wrote."""
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        rows = [Measured.load(row) for row in found["rows"]]
        return cls(found["machine"], rows, found["idle"])

    def markdown(self) -> str:
        """Return the table, and what it holds for."""
        lines = self._idle_table() if self.idle else self._table()
        machine = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        return "\n".join([*lines, "", machine, ""])

    def _table(self) -> Iterator[str]:
        measured = {side for row in self.rows for side in row.rounds}
        columns = [side for side in MAIN if side in measured]
        others = [s for s in SIDES if s in measured and s not in (*MAIN, "fastask")]
        floors = floor.load()
        titles = [SHORT.get(name, SIDES[name].title) for name in columns]
        heads = [
            "workload",
            "fastask",
            *titles,
            *(["others"] if others else []),
            "floor",
        ]
        yield f"| {' | '.join(heads)} |"
        yield f"|---|{'---:|' * (1 + len(columns))}{'---|' * (1 + bool(others))}"
        for row in self.rows:
            for figure in row.figures:
                title = f"{row.title}, {figure}" if figure else row.title
                cells = [title, number(row.median(FASTASK.name, figure), row.unit)]
                cells += [cell(row, name, figure) for name in columns]
                if others:
                    found = [(name, cell(row, name, figure)) for name in others]
                    cells.append("; ".join(f"{n} {text}" for n, text in found if text))
                cells.append(floor.marks(floors, self.by_name, row.name, figure))
                yield f"| {' | '.join(cells)} |"
        yield from self._failures()

    def _idle_table(self) -> Iterator[str]:
        sides = [s for s in BESIDE if any(s in row.rounds for row in self.rows)]
        heads = [f"{SIDES[s].title} | with {self.idle:,} | times" for s in sides]
        yield f"| workload | {' | '.join(heads)} |"
        yield f"|---|{'---:|' * 3 * len(sides)}"
        for row in self.rows:
            for figure in row.figures:
                title = f"{row.title}, {figure}" if figure else row.title
                cells = [title]
                for side in sides:
                    both = WITH_IDLE.format(side)
                    times = row.ratio(both, figure, side)
                    cells += [
                        number(row.median(name, figure), row.unit)
                        for name in (side, both)
                    ]
                    cells.append("" if times is None else f"{times:.2f}")
                yield f"| {' | '.join(cells)} |"
        yield from self._failures()
        slower = self.slower_beside_idle()
        yield ""
        yield (
            f"Over {IDLE_LIMIT} times on fastask: {', '.join(slower)}."
            if slower
            else f"No row of fastask takes over {IDLE_LIMIT} times as long."
        )

    def slower_beside_idle(self) -> list[str]:
        """Name the rows of fastask that idle processes slow down too much."""
        both = WITH_IDLE.format(FASTASK.name)
        found = []
        for row in self.rows:
            for figure in row.figures:
                times = row.ratio(both, figure, FASTASK.name)
                if times is not None and times > IDLE_LIMIT:
                    name = f"{row.name}.{figure}" if figure else row.name
                    found.append(f"{name} ({times:.2f})")
        return found

    def _failures(self) -> Iterable[str]:
        failures = [
            f"- {row.name}, {side}: {reason.splitlines()[0]}"
            for row in self.rows
            for side, reason in row.failed.items()
        ]
        return ["", "Failed:", "", *failures] if failures else []


def number(value: float | None, unit: str) -> str:
    """Write a figure; an empty cell where there is none."""
    if value is None:
        return ""
    if unit == "ns" and value >= 1e6:
        return f"{value / 1e6:,.1f} ms"
    if value < 10:
        return f"{value:.1f}"
    return f"{value:,.0f}"


def cell(row: Measured, side: str, figure: str) -> str:
    """Write a rival's figure and how many times that of fastask it is."""
    value, ratio = row.median(side, figure), row.ratio(side, figure)
    if value is None or ratio is None:
        return ""
    return f"{number(value, row.unit)} (**{ratio:.2f}**)"


def describe(sides: Sequence[str]) -> dict[str, str]:
    """Name the versions and the machine that the figures hold for."""
    described = {"Python": platform.python_version()}
    for name in sides:
        side = SIDES[name]
        if side.missing() is None:
            described |= side.versions()
            if side.runner is None:
                described["Elixir"] = beam.version() or ""
    described["CPU"] = f"{cpu()}, {os.cpu_count()} cores"
    described["system"] = platform.platform(terse=True)
    return described


def cpu() -> str:
    """Name the CPU, as well as the system knows it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
