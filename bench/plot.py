"""Plots of a report, as SVG; they need the extra `bench`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.measure import Measured
from bench.report import Report
from bench.side import FASTASK, SIDES

INCHES_A_ROW = 0.3
MARKERS = "osD^vP*Xd<"
LATENCY = "latency_"


def draw(report: Report, folder: Path) -> list[Path]:
    """Draw what the report has.

    Args:
        report: What was measured.
        folder: Takes `ratios.svg` and, of rows with quantiles, `latency.svg`.

    Returns:
        The files.

    Raises:
        ModuleNotFoundError: If matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("svg")
    # The same report gives the same file, byte for byte.
    matplotlib.rcParams["svg.hashsalt"] = "fastask"
    folder.mkdir(parents=True, exist_ok=True)
    latencies = [row for row in report.rows if row.name.startswith(LATENCY)]
    others = [row for row in report.rows if row not in latencies]
    made = []
    if others:
        made.append(_save(_ratios(others), folder / "ratios.svg"))
    if latencies:
        made.append(_save(_latency(latencies), folder / "latency.svg"))
    return made


def _save(figure: Any, file: Path) -> Path:
    from matplotlib import pyplot

    figure.savefig(file, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return file


def _ratios(rows: Sequence[Measured]) -> Any:
    """Draw a line for each row, and on it a dot for each rival."""
    from matplotlib import pyplot

    lines = [(row, figure) for row in rows for figure in row.figures]
    figure, axes = pyplot.subplots(figsize=(8, 1.5 + INCHES_A_ROW * len(lines)))
    rivals = [side for side in SIDES.values() if side is not FASTASK]
    for marker, side in zip(MARKERS, rivals, strict=True):
        found = [
            (ratio, place)
            for place, (row, name) in enumerate(lines)
            if (ratio := row.ratio(side.name, name))
        ]
        if found:
            xs, ys = zip(*found, strict=True)
            axes.scatter(xs, ys, marker=marker, s=22, label=side.title, zorder=3)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("times that of fastask; right of 1, fastask takes less")
    names = [f"{row.name} {name}".strip() for row, name in lines]
    axes.set_yticks(range(len(lines)), names, fontsize=8)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=4, fontsize=8)
    return figure


def _latency(rows: Sequence[Measured]) -> Any:
    """Draw the quantiles of each side, a picture for each row."""
    from matplotlib import pyplot

    figure, pictures = pyplot.subplots(
        1, len(rows), figsize=(5 * len(rows), 3.5), squeeze=False
    )
    for axes, row in zip(pictures[0], rows, strict=True):
        for marker, side in zip("*" + MARKERS, SIDES.values(), strict=True):
            values = [row.median(side.name, name) for name in row.figures]
            known = [value / 1000 for value in values if value is not None]
            if known:
                names = row.figures[: len(known)]
                axes.plot(names, known, marker=marker, label=side.title)
        axes.set_yscale("log")
        axes.set_ylabel("microseconds")
        axes.set_title(row.title, fontsize=9)
        axes.grid(alpha=0.3)
    pictures[0][-1].legend(fontsize=8)
    return figure
