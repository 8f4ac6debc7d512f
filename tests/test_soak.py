"""The soak runs: everything is done at random, and no law is broken."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

OPERATIONS = re.compile(r"^\| operation .*?(?=^$)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (\w[\w ]*) \| ([\d,]+) \|$", re.MULTILINE)

KINDS = 40
"""As many kinds of act there are at least."""


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.soak", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100.0,
        check=False,
    )


@pytest.mark.slow
def test_five_seconds_break_no_law_and_do_everything() -> None:
    done = soak("--seconds", "5", "--seed", "7")
    assert done.returncode == 0, done.stderr
    table = OPERATIONS.search(done.stdout)
    assert table is not None
    counts = {
        kind: int(count.replace(",", "")) for kind, count in ROW.findall(table[0])
    }

    assert len(counts) >= KINDS
    assert min(counts.values()) > 0


def test_no_time_is_an_error_that_says_what_to_give() -> None:
    done = soak()

    assert done.returncode == 2
    assert "--minutes" in done.stderr
