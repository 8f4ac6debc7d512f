"""The version is the same everywhere, and a bug report can tell all that matters."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import fastask

ROOT = Path(__file__).resolve().parents[1]


def test_the_package_and_its_project_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert fastask.__version__ == project["version"]


def test_an_installed_distribution_has_it() -> None:
    if "site-packages" not in Path(fastask.__file__).parts:
        return  # in a checkout there is none
    assert version("fastask-otp") == fastask.__version__


def test_the_command_line_tells_it_and_what_it_runs_on() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "fastask", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    facts = dict(line.split(maxsplit=1) for line in run.stdout.splitlines())

    assert facts.keys() == {"fastask", "core:", "loop:", "Python:", "system:"}
    assert facts["fastask"].split()[0] == fastask.__version__
    assert facts["Python:"].split(",")[0] in sys.version
    assert facts["core:"].split(",")[0] in ("release", "debug")
