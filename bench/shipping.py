"""What a user waits for: install, import, first result; and how large a wheel is.

    python -m bench.shipping                       # builds the wheel first, on POSIX
    python -m bench.shipping --wheel dist/*.whl    # one that is there
    python -m bench.shipping --docs                # also builds the documentation

An install begins with an empty environment and no cache, and ends with the first
result of `fastask.run`; dependencies are downloaded, so the network counts, too. Times
of imports are the best of many, over `python -c pass`, in that environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMPORTS = ("import asyncio", "import fastask", "import fastask; fastask.run")
ROUNDS = 20
WHEEL_BUDGET = 2_000_000

FIRST_RESULT = """
import fastask
async def main():
    return await fastask.async_(len, "four")
assert fastask.run(main) == 4
"""

EMPTY_MAIN = """
import asyncio, json, time
import fastask
async def main(): ...
def cost(run):
    rounds = []
    for _ in range(200):
        began = time.perf_counter()
        run(main)
        rounds.append(time.perf_counter() - began)
    return min(rounds)
try:
    import uvloop
except ImportError:
    uvloop = None
print(json.dumps({
    "fastask.run": cost(fastask.run),
    "uvloop.run": uvloop and cost(lambda f: uvloop.run(f())),
    "asyncio.run": cost(lambda f: asyncio.run(f())),
}))
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command without the settings of this shell, and return what it prints."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def seconds_of(*command: str | Path, cwd: Path | None = None) -> float:
    """Measure a command."""
    began = time.perf_counter()
    run(*command, cwd=cwd)
    return time.perf_counter() - began


def install(wheel: Path, scratch: Path) -> tuple[Path, float]:
    """Install a wheel in a new environment; return its Python, and the seconds."""
    began = time.perf_counter()
    run(sys.executable, "-m", "venv", scratch / "venv")
    scripts = scratch / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    python = scripts / "python"
    options = ["--quiet", "--no-cache-dir", "--disable-pip-version-check"]
    run(python, "-m", "pip", "install", *options, wheel)
    run(python, "-c", FIRST_RESULT, cwd=scratch)
    return python, time.perf_counter() - began


def imports(python: Path, scratch: Path) -> Iterator[tuple[str, float]]:
    """Measure what an import adds to the interpreter's own start."""
    best = {
        program: min(
            seconds_of(python, "-c", program, cwd=scratch) for _ in range(ROUNDS)
        )
        for program in ("pass", *IMPORTS)
    }
    for program in IMPORTS:
        yield program, best[program] - best["pass"]


def main() -> int:
    """Measure, and print a line for each figure; 1 when the wheel is too large."""
    parser = argparse.ArgumentParser(prog="python -m bench.shipping")
    parser.add_argument("--wheel", type=Path, help="a wheel for this Python")
    parser.add_argument("--docs", action="store_true", help="build the documentation")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        wheel = arguments.wheel
        if wheel is None:
            run(ROOT / "scripts" / "build-wheel", sys.executable, scratch / "dist")
            wheel = next((scratch / "dist").glob("*.whl"))
        size = wheel.stat().st_size
        print(f"{'wheel':<40}{size / 1e6:10.2f} MB of {WHEEL_BUDGET / 1e6:.0f}")
        python, seconds = install(wheel.resolve(), scratch)
        print(f"{'new environment to first result':<40}{seconds:10.1f} s")
        for program, seconds in imports(python, scratch):
            print(f"{program + ', over the start':<40}{seconds * 1e3:10.1f} ms")
        for name, cost in json.loads(run(python, "-c", EMPTY_MAIN)).items():
            if cost is not None:
                print(f"{name + ' of an empty main':<40}{cost * 1e6:10.0f} us")
    if arguments.docs:
        with tempfile.TemporaryDirectory() as site:
            command = ("-m", "mkdocs", "build", "--quiet", "--site-dir", site)
            seconds = seconds_of(sys.executable, *command, cwd=ROOT)
        print(f"{'documentation':<40}{seconds:10.1f} s")
    return 1 if size > WHEEL_BUDGET else 0


if __name__ == "__main__":
    sys.exit(main())
