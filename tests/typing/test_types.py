"""What a user's type checker infers: mypy, strict, on the files in `cases`.

`cases/wrong.py` holds what must be refused, each line with the error that is expected;
`warn_unused_ignores` makes an error that does not come an error. The others assert
types, and all those assertions are also turned into false ones, which must all fail.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import fastask

pytest.importorskip("mypy")

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(fastask.__file__).resolve().parents[1]
# An installed package is found by itself, and must not be on mypy's path.
MYPYPATH = {} if PACKAGES.name == "site-packages" else {"MYPYPATH": str(PACKAGES)}
CASES = sorted(Path(__file__).with_name("cases").glob("*.py"))

Mypy = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> Mypy:
    """Run mypy with the settings of the project on the files of a folder."""
    cache = tmp_path_factory.mktemp("mypy_cache")

    def check(folder: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty"]
        config = ROOT / "pyproject.toml"
        command += [f"--config-file={config}", f"--cache-dir={cache}"]
        return subprocess.run(
            [*command, *(file.name for file in sorted(folder.glob("*.py")))],
            cwd=folder,
            env={**os.environ, **MYPYPATH},
            capture_output=True,
            text=True,
            check=False,
        )

    return check


def claims(text: str) -> list[ast.expr]:
    """Find the types that the calls of `assert_type` in a source claim, in order."""
    calls = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "assert_type"
    ]
    return sorted((call.args[1] for call in calls), key=lambda claim: claim.lineno)


def falsified(text: str) -> str:
    """Claim that everything is of one and the same type, which nothing is."""
    lines = text.splitlines(keepends=True)
    for claim in reversed(claims(text)):
        assert claim.end_lineno is not None
        first, last = claim.lineno - 1, claim.end_lineno - 1
        before = lines[first].encode()[: claim.col_offset].decode()
        after = lines[last].encode()[claim.end_col_offset :].decode()
        # The lines stay where they are, so that errors can be counted by line.
        lines[first : last + 1] = [f"{before}Nothing{after}", *["\n"] * (last - first)]
    return "".join(lines) + "\n\nclass Nothing: ...\n"


@pytest.mark.slow
def test_each_case_is_as_it_says(mypy: Mypy) -> None:
    checked = mypy(CASES[0].parent)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
def test_each_claim_fails_when_it_is_false(mypy: Mypy, tmp_path: Path) -> None:
    expected = list[str]()
    for case in CASES:
        text = case.read_text(encoding="utf-8")
        expected += [case.name] * len(claims(text))
        (tmp_path / case.name).write_text(falsified(text), encoding="utf-8")

    checked = mypy(tmp_path)
    failed = re.findall(r"^(\w+\.py):\d+: .*\[assert-type\]$", checked.stdout, re.M)

    assert sorted(failed) == sorted(expected), checked.stdout + checked.stderr


@pytest.mark.parametrize("name", fastask.__all__)
def test_each_public_name_is_in_a_case(name: str) -> None:
    assert any(
        re.search(rf"\b{name}\b", case.read_text(encoding="utf-8")) for case in CASES
    )
