"""Plots of a report, as SVG; they need the extra `bench`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.measure import Measured
from bench.report import Report
from bench.side import FASTASK, SIDES, Side

INCHES_A_ROW = 0.3
MARKERS = dict(zip(SIDES, "*osD^vP>Xd<", strict=True))
COLOURS = {name: f"C{index % 10}" for index, name in enumerate(SIDES)} | {
    FASTASK.name: "black"
}
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


def _look(side: Side) -> dict[str, Any]:
    """A side looks the same in all plots, whoever is beside it."""
    return {"marker": MARKERS[side.name], "color": COLOURS[side.name]}


def _ratios(rows: Sequence[Measured]) -> Any:
    """Draw a line for each row, and on it a dot for each rival."""
    from matplotlib import pyplot

    lines = [(row, figure) for row in rows for figure in row.figures]
    figure, axes = pyplot.subplots(figsize=(8, 1.5 + INCHES_A_ROW * len(lines)))
    for side in SIDES.values():
        if side is FASTASK:
            continue
        found = [
            (ratio, place)
            for place, (row, name) in enumerate(lines)
            if (ratio := row.ratio(side.name, name))
        ]
        if found:
            xs, ys = zip(*found, strict=True)
            axes.scatter(xs, ys, s=22, label=side.title, zorder=3, **_look(side))
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
        1,
        len(rows),
        figsize=(5 * len(rows), 4),
        squeeze=False,
        layout="constrained",
    )
    for axes, row in zip(pictures[0], rows, strict=True):
        for side in SIDES.values():
            values = [row.median(side.name, name) for name in row.figures]
            known = [value / 1000 for value in values if value is not None]
            if known:
                names = row.figures[: len(known)]
                axes.plot(names, known, label=side.title, **_look(side))
        axes.set_yscale("log")
        axes.set_ylabel("microseconds")
        axes.set_title(row.title, fontsize=9)
        axes.grid(alpha=0.3)
    handles, labels = pictures[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return figure
