"""`python -m bench`: both sides of each pair in turn, and a Markdown table of them."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.pair import Pair
from bench.workloads import MODULES


@dataclass(frozen=True)
class Row:
    """The rounds of one pair, in nanoseconds for an operation."""

    name: str
    title: str
    asyncio: list[float]
    fastask: list[float]

    @property
    def ratio(self) -> float:
        """How many times faster fastask is: the median over the rounds."""
        rounds = zip(self.asyncio, self.fastask, strict=True)
        return median(rival / own for rival, own in rounds)


def choose(names: Sequence[str]) -> list[Pair]:
    """Return the pairs called `names`, or of modules called so; all for no name.

    Args:
        names: Names of pairs or of their modules.

    Returns:
        The pairs in their usual order.

    Raises:
        ValueError: If a name is neither.
    """
    known = {}
    for module in MODULES:
        noun = module.__name__.rpartition(".")[2]
        known.update({pair: {pair.name, noun} for pair in module.PAIRS})
    for name in names:
        if not any(name in called for called in known.values()):
            raise ValueError(f"NAME must be a pair or a module of pairs, got {name!r}")
    wanted = set(names)
    return [pair for pair, called in known.items() if not names or wanted & called]


def measure(pair: Pair, rounds: int) -> Row:
    """Measure a pair: asyncio, fastask, asyncio, fastask and so on.

    A first round of each goes uncounted: it fills the caches and freelists.

    Args:
        pair: What to measure.
        rounds: How often.

    Returns:
        The figures of each round.
    """
    row = Row(pair.name, pair.title, [], [])
    for index in range(rounds + 1):
        rival, own = pair.measure("asyncio"), pair.measure("fastask")
        if index:
            row.asyncio.append(rival)
            row.fastask.append(own)
    return row


def describe() -> dict[str, str]:
    """Name the versions and the machine that the figures hold for."""
    return {
        "Python": platform.python_version(),
        "uvloop": version("uvloop"),
        "CPU": cpu(),
        "system": platform.platform(terse=True),
    }


def cpu() -> str:
    """Name the CPU, as well as the system knows it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def print_table(rows: Sequence[Row], machine: dict[str, str]) -> None:
    """Print the medians and what they hold for."""
    print("| workload | asyncio on uvloop, ns | fastask, ns | ratio |")
    print("|---|---:|---:|---:|")
    for row in rows:
        figures = f"{median(row.asyncio):,.0f} | {median(row.fastask):,.0f}"
        print(f"| {row.title} | {figures} | {row.ratio:.2f} |")
    print()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; a name that is no pair's is an error of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="pairs or modules")
    parser.add_argument(
        "--rounds", type=int, default=7, metavar="N", help="rounds (default: 7)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write every round there"
    )
    arguments = parser.parse_args(argv)
    if arguments.rounds < 1:
        parser.error(f"--rounds must be an integer >= 1, got {arguments.rounds}")
    try:
        arguments.pairs = choose(arguments.names)
    except ValueError as error:
        parser.error(str(error))
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what was asked for and print the table."""
    arguments = parse(argv)
    rows = []
    for pair in arguments.pairs:
        print(f"{pair.name} ...", file=sys.stderr)
        rows.append(measure(pair, arguments.rounds))
    machine = describe()
    print_table(rows, machine)
    if arguments.json:
        figures = {"machine": machine, "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
