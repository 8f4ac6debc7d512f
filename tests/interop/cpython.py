"""CPython's own tests of asyncio, with `fastask.task_factory` and `AsyncioTask`.

    python tests/interop/cpython.py [MODULE...] [-v] [--json FILE]

Each module of `test.test_asyncio` runs twice, in processes of its own: plain, and with
our factory in every event loop and our class where the tests name the one written in C.
The event loops are asyncio's own, which is what these tests make. A test fails here if
it passes plainly and does not with ours. Tests that look into CPython are named in
`cpython.toml`, each with its reason; they run, too, and it is an error if one passes.

The last line tells how many tests ran, in how many of them tasks of ours were made, and
how many. A module in which none was made is an error, and so is a test that only one of
the two runs has.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

MODULES = [  # the longest come first
    "test_tasks",
    "test_taskgroups",
    "test_waitfor",
    "test_eager_task_factory",
    "test_locks",
    "test_timeouts",
    "test_queues",
    "test_runners",
    "test_pep492",
    "test_futures2",
    "test_free_threading",
]
HERE = Path(__file__).parent
PREFIX = "test.test_asyncio."
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
LIMIT = 120.0
"""Seconds for one module; the longest takes twenty."""


@dataclass(frozen=True)
class Outcome:
    """What became of a test, and how many tasks of ours were made in it."""

    outcome: str
    made: int = 0
    detail: str = ""


Outcomes = dict[str, Outcome]


@dataclass(frozen=True)
class Exclusion:
    """Tests that cannot pass, by a pattern, and why."""

    pattern: str
    reason: str
    python: tuple[str, ...] = ()

    def matches(self, test: str) -> bool:
        """Tell whether it is about a test."""
        return fnmatchcase(test, self.pattern)


@dataclass
class Verdict:
    """What the comparison of the two runs found."""

    tests: int = 0
    on_ours: int = 0
    tasks: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the verdict in a line."""
        return (
            f"cpython {VERSION}: {self.tests:,} tests, {self.on_ours:,} on our class "
            f"({self.tasks:,} tasks), {len(self.failed)} failed, "
            f"{len(self.excluded)} excluded"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return {"python": VERSION, **vars(self)}


def module_of(test: str) -> str:
    """Return the module of a test: `test_tasks.Class.test` gives `test_tasks`."""
    return test.partition(".")[0]


def judge(
    plain: Outcomes, ours: Outcomes, exclusions: Iterable[Exclusion], modules: list[str]
) -> Verdict:
    """Compare the plain run with ours."""
    verdict = Verdict(
        tests=len(ours),
        on_ours=sum(outcome.made > 0 for outcome in ours.values()),
        tasks=sum(outcome.made for outcome in ours.values()),
    )
    for run, these, others in (("plain", plain, ours), ("second", ours, plain)):
        if only := sorted(these.keys() - others.keys()):
            verdict.errors.append(f"in the {run} run only: {', '.join(only)}")
    for module in modules:
        if not any(o.made for test, o in ours.items() if module_of(test) == module):
            verdict.errors.append(f"{module} made no task of ours")
    exclusions = list(exclusions)
    for exclusion in exclusions:
        if module_of(exclusion.pattern) in modules and not any(
            exclusion.matches(test) for test in ours
        ):
            verdict.errors.append(f"{exclusion.pattern} is excluded, and no test")
    for test in sorted(ours):
        if test in plain and plain[test].outcome != "passed":
            continue
        reason = next((e.reason for e in exclusions if e.matches(test)), None)
        if ours[test].outcome == "passed":
            if reason is not None:
                verdict.errors.append(f"{test} is excluded, and passes")
        elif reason is not None:
            verdict.excluded[test] = reason
        else:
            verdict.failed[test] = ours[test].detail or ours[test].outcome
    return verdict


def read_exclusions() -> list[Exclusion]:
    """Return the exclusions that hold for this Python."""
    with (HERE / "cpython.toml").open("rb") as file:
        entries = tomllib.load(file).get("excluded", [])
    return [
        Exclusion(pattern, entry["reason"])
        for entry in entries
        if VERSION in entry.get("python", [VERSION])
        for pattern in entry["tests"]
    ]


def run_module(module: str, mode: str) -> Outcomes:
    """Run a module; after a test that hangs or crashes, go on with the next."""
    with tempfile.TemporaryDirectory(prefix="fastask-cpython-") as scratch:
        record = Path(scratch) / "record"
        broken: Outcomes = {}
        while True:
            stderr = run_rest(module, mode, record)
            outcomes, running, ended = read(record)
            if ended:
                return outcomes | broken
            # Without a test to blame there is nothing to go on with.
            blamed = running - broken.keys() or {f"{module} (as a whole)"}
            broken |= {test: Outcome("failed", 0, stderr) for test in blamed}
            if not blamed <= running:
                return outcomes | broken


def run_rest(module: str, mode: str, record: Path) -> str:
    """Run what a module has left; return what it said, and how it ended."""
    command = [sys.executable, str(HERE / "cpython_module.py"), module, mode]
    try:
        done = subprocess.run(
            [*command, str(record)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the module took longer than {LIMIT:.0f} seconds"
    return f"{done.stderr}\nhung or crashed: exit status {done.returncode}"


def read(record: Path) -> tuple[Outcomes, set[str], bool]:
    """Return the outcomes, the tests that have none, and whether all was run."""
    outcomes: Outcomes = {}
    started, ended = set(), False
    for line in record.read_text(encoding="utf-8").splitlines():
        match json.loads(line):
            case {"start": test}:
                started.add(test.removeprefix(PREFIX))
            case {"test": test, "outcome": outcome, "made": made, "detail": detail}:
                outcomes[test.removeprefix(PREFIX)] = Outcome(outcome, made, detail)
            case {"end": True}:
                ended = True
    return outcomes, started - outcomes.keys(), ended


def run(modules: list[str]) -> Verdict:
    """Run modules plainly and with ours, as many at a time as there are cores."""
    runs = [(module, mode) for module in modules for mode in ("plain", "ours")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda arguments: run_module(*arguments), runs))
    outcomes: dict[str, Outcomes] = {"plain": {}, "ours": {}}
    for (_, mode), part in zip(runs, found, strict=True):
        outcomes[mode].update(part)
    return judge(outcomes["plain"], outcomes["ours"], read_exclusions(), modules)


def available() -> list[str]:
    """Return the modules that this Python has."""
    if importlib.util.find_spec("test") is None:
        return []
    if importlib.util.find_spec("test.test_asyncio") is None:
        return []
    return [name for name in MODULES if importlib.util.find_spec(PREFIX + name)]


def main() -> int:
    """Run what the command line says and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("module", nargs="*", help="such as test_tasks; default: all")
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    parser.add_argument("--json", type=Path, help="write what was found to this file")
    arguments = parser.parse_args()
    present = available()
    if missing := set(arguments.module) - set(present):
        parser.error(f"Python {VERSION} has no {PREFIX}{' or '.join(sorted(missing))}")
    if not present:
        parser.error(f"Python {VERSION} has no test.test_asyncio here")

    verdict = run(arguments.module or present)
    for test, detail in verdict.failed.items():
        last = detail.strip().rpartition("\n")[2]
        print(f"FAILED {test}\n{detail}" if arguments.verbose else f"{test}: {last}")
    if arguments.verbose:
        for test, reason in verdict.excluded.items():
            print(f"excluded {test}: {reason}")
    for error in verdict.errors:
        print(f"error: {error[:400]}")
    if arguments.json:
        arguments.json.write_text(json.dumps(verdict.as_dict(), indent=2) + "\n")
    print(verdict.line())
    return 1 if verdict.failed or verdict.errors else 0


if __name__ == "__main__":
    sys.exit(main())
