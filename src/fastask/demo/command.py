"""The command `demo`: its arguments, its two parts and its exit status."""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import sysconfig
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import fastask
from fastask.demo import articles, checksum, cluster, report, supervised

if TYPE_CHECKING:
    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

INTERRUPTED = 130

DESCRIPTION = """\
Reads every file of a tree in worker threads, several at a time and each with a time
limit, then runs the programs of two articles about Elixir's Task and compares their
times with what they should take. The exit status is 1 when a check or bound is missed.
"""


def add_command(commands: _Subparsers) -> None:
    """Add `demo` to the commands of `python -m fastask`."""
    parser = commands.add_parser(
        "demo", help="checksum a tree and time the articles", description=DESCRIPTION
    )
    parser.set_defaults(main=main)
    parser.add_argument(
        "directory",
        nargs="?",
        type=_directory,
        metavar="DIRECTORY",
        default=sysconfig.get_paths()["stdlib"],
        help="the tree to read (default: Python's standard library, %(default)s)",
    )
    parser.add_argument(
        "--concurrency",
        type=_count,
        metavar="N",
        help="files read at a time (default: the number of CPUs)",
    )
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        default=10.0,
        help="time limit for each file (default: 10)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="read the tree again, one file after the other, and compare the digests",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="decides the articles' random inputs (default: a new one each time)",
    )
    parser.add_argument(
        "--skip-articles", action="store_true", help="only read the tree"
    )
    parser.add_argument(
        "--nodes",
        type=_count,
        metavar="N",
        help="only spread an article's hundred tasks over N worker processes, "
        "then over N nodes on Dask, where `distributed` is installed",
    )


def _directory(text: str) -> str:
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"not a directory: {text!r}")
    return text


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be an integer >= 1, got {text!r}")
    return number


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number > 0, got {text!r}")
    return number


def main(arguments: argparse.Namespace) -> int:
    """Run the demo.

    Args:
        arguments: What the parser of `add_command` made.

    Returns:
        0, 1 when a check or a bound was missed, 130 after Ctrl-C.
    """
    try:
        if arguments.nodes is not None:
            return 0 if _spread_tasks(arguments.nodes, arguments.seed) else 1
        is_good = _read_tree(arguments)
        if not arguments.skip_articles:
            is_good &= _run_articles(arguments.seed)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0 if is_good else 1


def _read_tree(arguments: argparse.Namespace) -> bool:
    """Read the tree, print what was found, check it if asked to."""
    root = arguments.directory
    limits = checksum.Limits(arguments.concurrency, arguments.timeout)
    progress = report.Progress(sys.stderr)
    start = time.perf_counter()
    try:
        total = fastask.run(checksum.read_tree, root, limits, progress.update)
    finally:
        progress.clear()
    report.print_total(total, time.perf_counter() - start)
    return _check(root, total) if arguments.check else True


def _check(root: str, total: checksum.Total) -> bool:
    """Compare with a sequential computation; one that is not possible is no success."""
    if total.late:
        text = f"not possible: {total.late} over the time limit (see --timeout)"
        report.print_lines(["", f"check     {text}"])
        return False
    start = time.perf_counter()
    expected = checksum.read_tree_one_by_one(root)
    seconds = time.perf_counter() - start
    is_same = expected.digest == total.digest
    text = "the same" if is_same else f"DIFFERENT, {expected.digest}"
    report.print_lines(["", f"check     {text}, one by one in {seconds:.2f} s"])
    return is_same


def _seed(given: int | None) -> int:
    return random.SystemRandom().randrange(1 << 32) if given is None else given


def _spread_tasks(nodes: int, given: int | None) -> bool:
    """Run the article's program of a cluster on each engine that is installed."""
    seed = _seed(given)
    report.print_lines([f"{cluster.TASKS} tasks on random nodes, seed {seed}"])
    is_good = _report_spread("local", cluster.spread_tasks, nodes, seed)
    if find_spec("distributed") is None:
        text = 'left out: pip install "fastask-otp[dask]"'
        report.print_lines(["", f"dask      {text}"])
        return is_good
    return _report_spread("dask", cluster.spread_tasks_on_dask, nodes, seed) and is_good


def _report_spread(
    engine: str,
    spread_tasks: Callable[[int, int], Awaitable[cluster.Spread]],
    nodes: int,
    seed: int,
) -> bool:
    """Run it on an engine; print where the tasks ran."""
    spread = fastask.run(spread_tasks, nodes, seed)
    report.print_lines(
        [
            "",
            f"{engine:<9} {nodes} nodes up in {spread.start * 1000:.0f} ms",
            f"tasks     {spread.right} of {cluster.TASKS} right, "
            f"in {spread.seconds * 1000:.1f} ms",
            "",
        ]
    )
    rows = [[name, str(count)] for name, count in spread.counts.items()]
    report.print_table(["node", "tasks"], rows)
    return spread.is_good


def _run_articles(given: int | None) -> bool:
    """Run the articles' programs and print how long each took."""
    seed = _seed(given)
    report.print_lines(
        ["", f"The articles' programs, 10 times shorter, seed {seed}", ""]
    )
    programs = [*articles.make_programs(seed), *supervised.make_programs()]
    outcomes = [articles.run_program(each) for each in programs]
    rows = [_row(outcome) for outcome in outcomes]
    report.print_table(["program", "bounds, ms", "measured", "verdict"], rows)
    return all(outcome.is_good for outcome in outcomes)


def _row(outcome: articles.Outcome) -> list[str]:
    program = outcome.program
    bounds = f"{program.lower * 1000:.1f} to {program.upper * 1000:.1f}"
    return [program.name, bounds, f"{outcome.seconds * 1000:.1f}", outcome.verdict]
