"""`python -m bench.budget`: are the main rows as fast as they were?

Both sides of a row take turns, each in a process of its own, and the fastest round of
each counts, in time of the processor: what else the machine does slows both, and hardly
matters. What falls short of `budget.toml` is measured again, twice at most, before it
fails. `--write` measures and writes down what this Python reaches.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.measure import Measured, take_turns
from bench.row import ONLY
from bench.side import FASTASK, SIDES
from bench.worker import Round
from bench.workloads import ROWS

FILE = Path(__file__).with_name("budget.toml")
MAIN = (
    "spawn_await",
    "spawn_then_await",
    "ping_pong",
    "call",
    "set_cancel",
    "stream_unordered",
)
RIVAL = "asyncio"
ROUNDS = 7
TRIES = 3

Ratios = dict[str, float]


def version_of(known: Iterable[str], own: tuple[int, int]) -> str | None:
    """Return the newest version that is not newer than this Python, else the oldest."""
    ranked = sorted(known, key=lambda name: tuple(map(int, name.split("."))))
    older = [n for n in ranked if tuple(map(int, n.split("."))) <= own]
    return older[-1] if older else next(iter(ranked), None)


def ratio(name: str, rounds: int = ROUNDS) -> float:
    """Measure a row.

    Args:
        name: Which.
        rounds: How many rounds of each side.

    Returns:
        The time of the processor of asyncio's fastest round divided by fastask's.

    Raises:
        RuntimeError: If a side failed.
    """
    row = ROWS[name]
    measured = Measured.of(row)
    task = Round(row.operations, clock="cpu")
    turns = {side: (SIDES[side], row, task) for side in (RIVAL, FASTASK.name)}
    take_turns(measured, turns, rounds)
    if measured.failed:
        raise RuntimeError(f"{name} failed: {measured.failed}")
    fastest = {side: min(figures[ONLY]) for side, figures in measured.rounds.items()}
    return fastest[RIVAL] / fastest[FASTASK.name]


def check(budget: Mapping[str, float], tolerance: float) -> list[str]:
    """Measure the main rows against a budget.

    Args:
        budget: What each row reached once.
        tolerance: The share of that which may be missing.

    Returns:
        The rows that fell short each time.
    """
    left = [name for name in MAIN if name in budget]
    for _ in range(TRIES):
        for name in list(left):
            found, least = ratio(name), budget[name] * (1 - tolerance)
            is_enough = found >= least
            said = "ok" if is_enough else "too slow"
            print(f"{name}: {found:.2f}, at least {least:.2f}: {said}")
            if is_enough:
                left.remove(name)
        if not left:
            break
    return left


def write(text: str, version: str, found: Mapping[str, float]) -> str:
    """Return the file with the figures of a version of Python in the place of its old.

    Args:
        text: The file as it is.
        version: Such as "3.11".
        found: The figures.

    Returns:
        The file as it is to be.
    """
    head, *_ = text.partition("\n[")
    ratios: dict[str, Ratios] = tomllib.loads(text).get("ratios", {})
    ratios[version] = dict(found)
    parts = [head.rstrip("\n") + "\n"]
    for name in sorted(ratios, key=lambda name: tuple(map(int, name.split(".")))):
        lines = [f"{row} = {value:.2f}" for row, value in ratios[name].items()]
        parts.append("\n".join([f'[ratios."{name}"]', *lines, ""]))
    return "\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the budget, or write it.

    Returns:
        1 if a row fell short each time, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.budget", description=__doc__)
    parser.add_argument("--write", action="store_true", help="measure and write anew")
    arguments = parser.parse_args(argv)
    if SIDES[RIVAL].missing():
        print(f"nothing to compare with: {SIDES[RIVAL].missing()}")
        return 0
    text = FILE.read_text(encoding="utf-8")
    own = sys.version_info[:2]
    if arguments.write:
        found = {name: ratio(name) for name in MAIN}
        FILE.write_text(write(text, "{}.{}".format(*own), found), encoding="utf-8")
        return 0
    budget = tomllib.loads(text)
    version = version_of(budget["ratios"], own)
    assert version is not None, f"{FILE.name} has no figures"
    short = check(budget["ratios"][version], budget["tolerance"])
    if short:
        print(f"slower than {FILE.name} allows: {', '.join(short)}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
