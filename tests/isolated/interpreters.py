"""Uses fastask in the first interpreter, or not, and then in another one.

Prints what the use in the other interpreter came to, as one JSON line.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

if sys.argv[1:] == ["first"]:
    import fastask

    assert fastask.run(fastask.sleep, 0) is None

SCRIPT = """
try:
    import fastask
    fastask.run
except ImportError as error:
    outcome = f"ImportError: {error}"
else:
    outcome = "imported"
import os
os.write(%d, outcome.encode())
"""


def run_in_another(script: str) -> None:
    """Run a script in a new interpreter, by the module of this Python for them."""
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    interpreters: Any = import_module(name)
    other = interpreters.create()
    try:
        interpreters.run_string(other, script)
    finally:
        interpreters.destroy(other)


if __name__ == "__main__":
    import os

    readable, writable = os.pipe()
    run_in_another(SCRIPT % writable)
    os.close(writable)
    with os.fdopen(readable) as pipe:
        print(json.dumps(pipe.read()))
