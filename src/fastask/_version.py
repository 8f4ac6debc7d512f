"""What a bug report needs: versions, the event loop, how the core was built."""

from __future__ import annotations

import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import fastask
from fastask._core import census

__all__ = ["describe"]


def describe() -> str:
    """Return the lines that `python -m fastask --version` prints."""
    return "\n".join(
        [
            f"fastask {fastask.__version__} ({Path(fastask.__file__).parent})",
            f"core: {_build()}",
            f"loop: {_loop()}",
            f"Python: {platform.python_version()}, {platform.python_implementation()}, "
            f"{platform.python_compiler()}, {_lock()}",
            f"system: {platform.platform()}",
        ]
    )


def _build() -> str:
    kind = "debug, with assertions and a census" if census.COUNTS else "release"
    suffix = Path(census.__file__ or "").suffixes
    return f"{kind}, {''.join(suffix).lstrip('.')}"


def _loop() -> str:
    name = "winloop" if sys.platform == "win32" else "uvloop"
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"asyncio ({name} is not installed)"


def _lock() -> str:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "with the lock"
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    return "free-threaded, the lock is " + ("on" if enabled else "off")
