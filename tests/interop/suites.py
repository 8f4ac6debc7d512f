"""The tests of other people's libraries, without and with `fastask.task_factory`.

    python tests/interop/suites.py anyio|aiohttp|starlette [--keep]

The tests come from the sdist of a pinned version, and the library of the same version
is installed beside this checkout, in an environment made for this run. The suite runs
twice, and the outcomes are compared test by test. Tests that differ run twice again,
without the others: what differs once only is told, and is no failure. The exit status
is 1 if a difference stays that `suites.toml` does not name, or if no task of ours was
made.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIMIT = 600.0
"""Seconds for one run of a suite; the longest takes two or three minutes."""


@dataclass(frozen=True)
class Suite:
    """Which tests of which version, what they need, and what may differ."""

    name: str
    version: str
    install: str
    requires: list[str]
    files: list[str]
    options: list[str]
    tests: list[str]
    differs: list[dict[str, Any]] = field(default_factory=list)

    def reason(self, test: str) -> str | None:
        """Return why a test may differ, or None if it may not."""
        for entry in self.differs:
            if any(fnmatchcase(test, pattern) for pattern in entry["tests"]):
                return str(entry["reason"])
        return None


@dataclass
class Outcome:
    """What became of a test, and how many tasks of ours were made in it."""

    outcome: str = "passed"
    made: int = 0
    detail: str = ""


@dataclass
class Place:
    """The environment and the directory that a suite runs in."""

    scratch: Path

    @property
    def python(self) -> Path:
        """Where the interpreter is."""
        if sys.platform == "win32":
            return self.scratch / "venv" / "Scripts" / "python.exe"
        return self.scratch / "venv" / "bin" / "python"

    @property
    def tests(self) -> Path:
        """Where the tests are."""
        return self.scratch / "suite"

    def pip(self, *arguments: str) -> None:
        """Run pip in the environment."""
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*command, *arguments, "--quiet"], check=True)

    def prepare(self, suite: Suite) -> None:
        """Make the environment, and unpack the tests without the library."""
        venv.create(self.scratch / "venv", with_pip=True)
        self.pip("install", suite.install, *suite.requires, str(ROOT))
        sdists = self.scratch / "sdist"
        pinned = f"{suite.name}=={suite.version}"
        only = ("--no-deps", "--no-binary", suite.name, "--dest", str(sdists))
        self.pip("download", pinned, *only)
        (sdist,) = sdists.glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(sdists, filter="data")
        self.tests.mkdir()
        for name in suite.files:
            source = sdists / f"{suite.name}-{suite.version}" / name
            if source.is_dir():
                shutil.copytree(source, self.tests / name)
            else:
                shutil.copy(source, self.tests / name)

    def run(
        self, suite: Suite, tests: list[str], *arguments: str
    ) -> dict[str, Outcome]:
        """Run tests of the suite and return the outcomes."""
        record = self.scratch / "record"
        # Not in two arguments: pytest takes a file's name for that of a test.
        ours = ["-p", "suite_plugin", "--rootdir=.", f"--fastask-record={record}"]
        command = [str(self.python), "-m", "pytest", *suite.options, *ours, *arguments]
        log = self.scratch / "log"
        with log.open("wb") as file:
            try:
                status: object = subprocess.run(
                    [*command, *tests],
                    cwd=self.tests,
                    env={
                        **os.environ,
                        "PYTHONPATH": str(HERE),
                        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    timeout=LIMIT,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                status = f"a hang of more than {LIMIT:.0f} seconds"
        if status not in (0, 1):  # all passed, or some failed
            print(log.read_text(encoding="utf-8", errors="replace")[-6000:])
            for test, outcome in read(record).items():
                if outcome.outcome == "failed":
                    print(f"failed before: {test}")
            what = "the run with our factory" if arguments else "the plain run"
            raise SystemExit(
                f"{suite.name} {suite.version}: {what} ended with {status}"
            )
        return read(record)


def read(record: Path) -> dict[str, Outcome]:
    """Return the outcomes that a run wrote."""
    outcomes: dict[str, Outcome] = {}
    for line in record.read_text(encoding="utf-8").splitlines():
        match json.loads(line):
            case {"test": test, "outcome": outcome, "detail": detail}:
                entry = outcomes.setdefault(test, Outcome())
                if entry.outcome != "failed":
                    entry.outcome, entry.detail = outcome, detail
            case {"test": test, "made": made}:
                outcomes.setdefault(test, Outcome()).made = made
    return outcomes


def differences(
    plain: dict[str, Outcome], ours: dict[str, Outcome]
) -> dict[str, tuple[str, str, str]]:
    """Return the tests that differ: plain outcome, ours, and what was said."""
    missing = Outcome("missing")
    found = {}
    for test in sorted(plain.keys() | ours.keys()):
        before, after = plain.get(test, missing), ours.get(test, missing)
        if before.outcome != after.outcome:
            said = after.detail or before.detail
            found[test] = (before.outcome, after.outcome, said)
    return found


def unsteady_of(suite: Suite, place: Place, found: Iterable[str]) -> set[str]:
    """Return which of the tests do not differ when they run again, alone."""
    tests = sorted(found)
    if not tests:
        return set()
    plain = place.run(suite, tests)
    ours = place.run(suite, tests, "--fastask-factory")
    again = differences(plain, ours)
    return {test for test in tests if test in plain and test not in again}


def compare(suite: Suite, place: Place) -> int:
    """Run a suite without and with the factory, print what differs, and judge."""
    started = time.monotonic()
    plain = place.run(suite, suite.tests)
    middle = time.monotonic()
    ours = place.run(suite, suite.tests, "--fastask-factory")
    print(
        f"{middle - started:.0f} s plain, {time.monotonic() - middle:.0f} s with ours"
    )
    found = differences(plain, ours)
    unsteady = unsteady_of(suite, place, found)
    failed = 0
    for test, (before, after, said) in found.items():
        reason = suite.reason(test)
        if test in unsteady:
            reason = "not again"
        failed += reason is None
        last = said.strip().rpartition("\n")[2]
        print(f"{test}: {before} -> {after}: {reason or f'UNNAMED: {last}'}")
        if reason is None:
            print(said)
    made = sum(outcome.made for outcome in ours.values())
    on_ours = sum(outcome.made > 0 for outcome in ours.values())
    passed = sum(outcome.outcome == "passed" for outcome in ours.values())
    if not made:
        print("no task of ours was made")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    print(
        f"{suite.name} {suite.version} on {version}: {len(ours):,} tests, "
        f"{on_ours:,} on our tasks ({made:,}), {passed:,} passed, "
        f"{len(found)} differ, {failed} of them unnamed, {len(unsteady)} once only"
    )
    return 1 if failed or not made else 0


def main() -> int:
    """Run the suite that the command line names."""
    with (HERE / "suites.toml").open("rb") as file:
        suites = {
            name: Suite(name, **entry) for name, entry in tomllib.load(file).items()
        }
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("suite", choices=sorted(suites))
    parser.add_argument("--keep", action="store_true", help="keep the environment")
    arguments = parser.parse_args()
    suite = suites[arguments.suite]

    scratch = Path(tempfile.mkdtemp(prefix=f"fastask-{suite.name}-"))
    try:
        place = Place(scratch)
        place.prepare(suite)
        return compare(suite, place)
    finally:
        if arguments.keep:
            print(f"kept: {scratch}", file=sys.stderr)
        else:
            shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
