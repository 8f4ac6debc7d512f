"""CPython's own tests of asyncio run on our tasks: see cpython.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.cpython import Exclusion, Outcome, available, judge

SCRIPT = Path(__file__).parent / "cpython.py"

PASSED = Outcome("passed", made=1)
FAILED = Outcome("failed", made=1, detail="AssertionError: 1 != 2")
IDLE = Outcome("passed", made=0)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    not available(), reason="this Python comes without test.test_asyncio"
)
def test_tests_of_cpython_pass_on_our_tasks() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--verbose"],
        capture_output=True,
        text=True,
        timeout=290.0,
        check=False,
    )

    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_is_well_when_both_runs_pass() -> None:
    verdict = judge({"m.C.a": PASSED}, {"m.C.a": PASSED}, [], ["m"])

    assert not verdict.failed
    assert not verdict.errors
    assert (verdict.tests, verdict.on_ours, verdict.tasks) == (1, 1, 1)


def test_a_test_that_fails_with_ours_only_is_a_failure() -> None:
    ours = {"m.C.a": FAILED, "m.C.b": FAILED}
    verdict = judge({"m.C.a": PASSED, "m.C.b": FAILED}, ours, [], ["m"])

    assert verdict.failed == {"m.C.a": FAILED.detail}


def test_a_test_that_is_skipped_with_ours_only_is_a_failure() -> None:
    verdict = judge(
        {"m.C.a": PASSED, "m.C.b": PASSED},
        {"m.C.a": Outcome("skipped"), "m.C.b": PASSED},
        [],
        ["m"],
    )

    assert verdict.failed == {"m.C.a": "skipped"}


def test_an_excluded_test_that_fails_is_no_failure() -> None:
    ours = {"m.C.a": FAILED}
    verdict = judge({"m.C.a": PASSED}, ours, [Exclusion("m.*.a", "why")], ["m"])

    assert verdict.excluded == {"m.C.a": "why"}
    assert not verdict.failed
    assert not verdict.errors


def test_an_excluded_test_that_passes_is_an_error() -> None:
    ours = {"m.C.a": PASSED}
    verdict = judge({"m.C.a": PASSED}, ours, [Exclusion("m.*.a", "why")], ["m"])

    assert verdict.errors == ["m.C.a is excluded, and passes"]


def test_an_exclusion_of_no_test_is_an_error() -> None:
    ours = {"m.C.a": PASSED}
    verdict = judge({"m.C.a": PASSED}, ours, [Exclusion("m.*.x", "why")], ["m"])

    assert verdict.errors == ["m.*.x is excluded, and no test"]


def test_a_test_that_only_one_run_has_is_an_error() -> None:
    plain = {"m.C.a": PASSED, "m.C.b": PASSED}
    verdict = judge(plain, {"m.C.a": PASSED, "m.C.c": PASSED}, [], ["m"])

    assert verdict.errors == [
        "in the plain run only: m.C.b",
        "in the second run only: m.C.c",
    ]


def test_a_module_that_made_no_task_of_ours_is_an_error() -> None:
    verdict = judge({"m.C.a": PASSED}, {"m.C.a": IDLE}, [], ["m"])

    assert verdict.errors == ["m made no task of ours"]


def test_a_module_that_crashed_as_a_whole_is_a_failure() -> None:
    ours = {"m (as a whole)": Outcome("failed", 0, "Segmentation fault")}
    verdict = judge({"m.C.a": PASSED}, ours, [], ["m"])

    assert verdict.failed == {"m (as a whole)": "Segmentation fault"}
