"""`python -m bench`: fastask and its rivals in turn, and a Markdown table of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from bench import floor
from bench.measure import measure, measure_idle
from bench.report import Report, describe
from bench.row import Row
from bench.side import FASTASK, SIDES
from bench.workloads import MODULES, ROWS

ROUNDS = 7
QUICK_ROUNDS = 3
RIVALS = [name for name in SIDES if name != FASTASK.name]


def choose(names: Sequence[str]) -> list[Row]:
    """Return the rows called `names`, or of modules called so; all for no name.

    Args:
        names: Names of rows or of their modules.

    Returns:
        The rows in their usual order.

    Raises:
        ValueError: If a name is neither.
    """
    for name in names:
        if name not in ROWS and name not in MODULES:
            raise ValueError(f"NAME must be a row or a module of rows, got {name!r}")
    wanted = set(names)
    return [
        row
        for noun, module in MODULES.items()
        for row in module.ROWS
        if not wanted or wanted & {noun, row.name}
    ]


def with_floors(rows: Sequence[Row]) -> list[Row]:
    """Return those of the rows that have a floor."""
    named = {each.row for each in floor.load()}
    return [row for row in rows if row.name in named]


def compared_with(row: Row) -> list[str]:
    """Name the other rows that a floor of this one is about."""
    return [each.of for each in floor.load() if each.row == row.name and each.of]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = made.add_argument
    add("names", nargs="*", metavar="NAME", help="rows or modules (default: all)")
    add("--rounds", type=int, metavar="N", help=f"rounds (default: {ROUNDS})")
    add("--quick", action="store_true", help="fewer rounds, a tenth of the operations")
    add("--rivals", metavar="A,B", help=f"of {', '.join(RIVALS)} (default: all)")
    add("--idle", type=int, default=0, metavar="N", help="beside N idle processes, too")
    add(
        "--floors",
        action="store_true",
        help="only rows with a floor; status 1 if one is missed",
    )
    add("--load", type=Path, metavar="FILE", help="measure nothing, read that JSON")
    add("--json", type=Path, metavar="FILE", help="write every round there")
    add("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    add("--plots", type=Path, metavar="DIR", help="draw SVG there (extra `bench`)")
    add("--list", action="store_true", help="list rows and sides, measure nothing")
    return made


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; a name that nobody has is an error of its own."""
    command = parser()
    arguments = command.parse_args(argv)
    if arguments.rounds is None:
        arguments.rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
    if arguments.rounds < 1:
        command.error(f"--rounds must be an integer >= 1, got {arguments.rounds}")
    if arguments.idle < 0:
        command.error(f"--idle must be an integer >= 0, got {arguments.idle}")
    arguments.rivals = (
        RIVALS
        if arguments.rivals is None
        else [name for name in arguments.rivals.split(",") if name]
    )
    for name in arguments.rivals:
        if name not in RIVALS:
            known = ", ".join(RIVALS)
            command.error(f"--rivals must be some of {known}, got {name!r}")
    if arguments.plots and find_spec("matplotlib") is None:
        command.error("--plots needs matplotlib, see the extra `bench`")
    try:
        arguments.rows = choose(arguments.names)
    except ValueError as error:
        command.error(str(error))
    if arguments.floors:
        arguments.rows = with_floors(arguments.rows)
    return arguments


def take(arguments: argparse.Namespace) -> Report:
    """Measure what was asked for."""
    rivals: list[str] = arguments.rivals
    for name in rivals:
        reason = SIDES[name].missing()
        if reason:
            print(f"{name} is skipped: {reason}", file=sys.stderr)
    report = Report(describe([FASTASK.name, *rivals]), [], arguments.idle)
    for row in arguments.rows:
        if row.linux and sys.platform != "linux":
            print(f"{row.name} is skipped: only Linux can tell", file=sys.stderr)
            continue
        if arguments.idle and (row.plain or row.fresh):
            continue  # starts its own loops, or counts what waits itself
        print(f"{row.name} ...", file=sys.stderr)
        if arguments.idle:
            found = measure_idle(
                row, arguments.idle, rivals, arguments.rounds, is_quick=arguments.quick
            )
        else:
            found = measure(
                row,
                rivals,
                arguments.rounds,
                others=[ROWS[name] for name in compared_with(row)],
                is_quick=arguments.quick,
            )
        report.rows.append(found)
    return report


def show_names() -> None:
    """Print the rows by their modules, and the sides."""
    for noun, module in MODULES.items():
        print(f"{noun}: {', '.join(row.name for row in module.ROWS)}")
    print()
    for side in SIDES.values():
        print(f"{side.name}: {side.missing() or 'installed'}")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what was asked for, and write it down.

    Returns:
        1 if `--floors` was given and one is missed, else 0.
    """
    arguments = parse(argv)
    if arguments.list:
        show_names()
        return 0
    if arguments.load:
        wanted = {row.name for row in arguments.rows}
        report = Report.load(arguments.load)
        report.rows = [row for row in report.rows if row.name in wanted]
    else:
        report = take(arguments)
    table = report.markdown()
    print(table, end="")
    if arguments.markdown:
        arguments.markdown.write_text(table, encoding="utf-8")
    if arguments.json:
        report.save(arguments.json)
    if arguments.plots:
        from bench import plot

        plot.draw(report, arguments.plots)
    missed = floor.missed(floor.load(), report.by_name) if arguments.floors else []
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
