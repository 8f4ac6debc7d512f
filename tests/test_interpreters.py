"""What the core says of itself to Python: one interpreter, and its lock.

See docs/policy.md. The core says neither that it may be loaded twice nor that it can do
without the lock, and Python acts on that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "isolated" / "interpreters.py"


def imported_in_another(*arguments: str) -> str:
    """Use fastask in another interpreter; return what came of it."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome: str = json.loads(done.stdout)
    return outcome


def test_a_second_interpreter_may_not_use_it_beside_the_first() -> None:
    assert imported_in_another("first").startswith("ImportError: ")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="nobody asks the module")
def test_no_other_interpreter_may_use_it() -> None:
    outcome = imported_in_another()

    assert outcome.startswith("ImportError: module fastask._core.")
    assert outcome.endswith("does not support loading in subinterpreters")


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has its lock"
)
def test_a_free_threaded_python_turns_its_lock_on() -> None:
    program = "import sys, fastask; fastask.run; print(sys._is_gil_enabled())"
    run = subprocess.run(
        [sys.executable, "-W", "ignore::RuntimeWarning", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHON_GIL"},
    )

    assert run.stdout.split() == ["True"]
