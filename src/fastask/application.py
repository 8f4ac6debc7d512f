"""The command `run`: a supervision tree as a program of its own."""

from __future__ import annotations

import argparse
import importlib
import inspect
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from fastask._service import Service
from fastask.runtime import run
from fastask.supervisor import Supervisor

if TYPE_CHECKING:
    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

INTERRUPTED = 130
UNUSABLE = 2

DESCRIPTION = """\
Runs a tree until SIGINT or SIGTERM (on Windows, SIGBREAK too), then stops its
children in reverse order, each within its time. The exit status is 0 after an orderly
stop, 1 when the tree gave up, and 2 when there is no such tree. A second signal stops
hard.
"""


def add_command(commands: _Subparsers) -> None:
    """Add `run` to the commands of `python -m fastask`."""
    parser = commands.add_parser(
        "run", help="run a supervision tree", description=DESCRIPTION
    )
    parser.set_defaults(main=main)
    parser.add_argument(
        "target",
        metavar="MODULE:ATTRIBUTE",
        help="a supervisor that is not started, a list of children, or a function that "
        "returns one of them",
    )
    parser.add_argument(
        "--debug", action="store_true", help="check more, and report what blocks"
    )
    parser.add_argument(
        "--log-level",
        default="INFO",
        metavar="LEVEL",
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help="what is logged to the standard error output (default: INFO)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Run the tree that the arguments name.

    Args:
        arguments: What the parser of `add_command` made.

    Returns:
        0 after an orderly stop, 1 when the tree gave up, 2 when there is none.
    """
    logging.basicConfig(
        level=arguments.log_level, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        tree = load_tree(arguments.target)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        print(f"fastask run: {error}", file=sys.stderr)
        return UNUSABLE
    try:
        run(tree, debug=arguments.debug or None)
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        logging.getLogger("fastask").exception("the tree did not start")
        return 1
    return 0


def load_tree(target: str) -> Service[Any]:
    """Return the tree that `module:attribute` names.

    Args:
        target: The attribute is a supervisor, a list of children, or a function without
            arguments that returns one of them.

    Raises:
        ValueError: If it is not of the form `module:attribute`.
        ImportError: If the module cannot be imported.
        AttributeError: If the module has no such attribute.
        TypeError: If the attribute is no tree.
    """
    module_name, colon, path = target.partition(":")
    if not colon or not module_name or not path:
        raise ValueError(f"target must be MODULE:ATTRIBUTE, got {target!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    found: Any = importlib.import_module(module_name)
    for name in path.split("."):
        found = getattr(found, name)
    if inspect.isroutine(found) or inspect.isclass(found):
        found = found()
    if isinstance(found, list | tuple):
        found = Supervisor(found)
    if not isinstance(found, Service):
        raise TypeError(
            f"{target} must be a supervisor, a list of children or a function that "
            f"returns one of them, got {found!r}"
        )
    return found
