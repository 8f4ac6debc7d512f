"""`python -m bench.soak`: everything at random for a while, and the sums are checked.

Worlds come and go in one event loop. In each, processes send, link, monitor, call,
stream, start, kill and crash at random from a seed; when a world has come to rest, the
laws of `bench.world.laws` look into its book. A broken law ends the soak.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

if __name__ == "__main__":  # as a file, too
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

import fastask
from bench.world.actions import ACTS
from bench.world.round import Round, look_at_the_end

MINUTE = 60.0
GROWTH = 0.02
"""How much the median of the resident size may grow from the second third on."""

BLOCKS = 0.005
"""How much the median of the live blocks of memory may grow from there on."""

SAMPLES = 30
"""Rounds from which on growth is told from warming up."""

LONG = 10 * MINUTE
"""From here on the resident size tells; before, one big round raises its mark."""


@dataclass
class Soak:
    """What all rounds came to."""

    seed: int
    operations: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    resident: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        """Let worlds come and go until the time is over or a law is broken."""
        self.seconds = seconds
        started = time.monotonic()
        minute, done = started, 0
        while time.monotonic() - started < seconds and not self.faults:
            most = await self.round()
            self.resident.append(resident())
            self.blocks.append(sys.getallocatedblocks())
            now = time.monotonic()
            if now - minute >= MINUTE:
                operations = self.operations.total()
                self.tell((operations - done) / (now - minute), most)
                minute, done = now, operations

    async def round(self) -> int:
        """Run one round in a process of its own; return how many lived at once."""
        seed = f"{self.seed}/{len(self.resident)}"
        most, book = await fastask.async_(self.one, seed)
        gc.collect()
        look_at_the_end(book)
        self.operations += book.operations
        self.sums += book.sums
        self.faults += [f"{fault} (seed {seed})" for fault in book.faults]
        del book
        gc.collect()
        return most

    async def one(self, seed: str) -> tuple[int, object]:
        world = Round(seed)
        book = await world.live()
        self.ends.update(world.ends())
        return len(world.book.ends), book

    def tell(self, rate: float, processes: int) -> None:
        size = self.resident[-1] / 2**20
        line = f"{rate:,.0f} operations/s, {processes:,} processes a round"
        print(f"{line}, {size:.1f} MiB", flush=True)

    def check(self) -> None:
        """Look at the laws for the whole soak."""
        if len(self.blocks) >= SAMPLES:
            grown = growth(self.blocks)
            if grown >= BLOCKS:
                self.faults.append(f"nothing is kept: live blocks grew by {grown:.2%}")
            grown = growth(self.resident)
            if self.seconds >= LONG and grown >= GROWTH:
                self.faults.append(f"memory is flat: it grew by {grown:.1%}")
        for kind in (*ACTS, "every"):
            if not self.operations[kind]:
                self.faults.append(f"everything is done: {kind} was not")

    def print_table(self) -> None:
        """Print what was done, how it ended and what the sums are."""
        for title, counts in (
            ("operation", self.operations),
            ("end of a process", self.ends),
            ("sum", self.sums),
        ):
            print(f"\n| {title} | count |\n|---|---:|")
            for name, count in sorted(counts.items()):
                print(f"| {name} | {count:,} |")
        print(f"\n{len(self.resident)} rounds; medians by thirds:")
        size = ", ".join(f"{size / 2**20:.1f}" for size in thirds(self.resident))
        print(f"resident, MiB: {size}; growth at the end {growth(self.resident):+.2%}")
        live = ", ".join(f"{count:,.0f}" for count in thirds(self.blocks))
        print(f"live blocks: {live}; growth at the end {growth(self.blocks):+.3%}")


def thirds(sizes: Sequence[int]) -> list[float]:
    """Return the medians of the first, the second and the last third."""
    third = max(1, len(sizes) // 3)
    parts = sizes[:third], sizes[third : 2 * third], sizes[2 * third :]
    return [median(part) for part in parts if part]


def growth(sizes: Sequence[int]) -> float:
    """Compare the last third with the one before it.

    Without Python's own allocator (PYTHONMALLOC=malloc), no block is counted.
    """
    medians = thirds(sizes)
    return medians[-1] / medians[-2] - 1.0 if len(medians) > 1 and any(sizes) else 0.0


def resident() -> int:
    size: int = psutil.Process().memory_info().rss
    return size


def threads_left() -> list[str]:
    """Name the worker threads that do not end now that the loop is closed."""
    ours = [t for t in threading.enumerate() if t.name.startswith("fastask")]
    for thread in ours:
        thread.join(5.0)
    return [thread.name for thread in ours if thread.is_alive()]


class Unread(logging.Handler):
    """Formats what is logged, as a program would, and throws it away."""

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.0, help="how long")
    parser.add_argument("--seconds", type=float, default=0.0, help="and how long")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    arguments = parser.parse_args(argv)
    arguments.total = arguments.minutes * MINUTE + arguments.seconds
    if arguments.total <= 0.0:
        parser.error("give --minutes or --seconds, > 0")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Soak, print the table, and say which law was broken."""
    arguments = parse(argv)
    log = logging.getLogger("fastask")
    log.addHandler(Unread())
    log.propagate = False
    soak = Soak(arguments.seed)
    fastask.run(soak.run, arguments.total)
    soak.faults += [f"no thread is left: {name}" for name in threads_left()]
    soak.check()
    soak.print_table()
    for fault in soak.faults[:20]:
        print(f"broken with --seed {arguments.seed}: {fault}", file=sys.stderr)
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
