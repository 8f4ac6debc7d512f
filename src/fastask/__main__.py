"""The command line: `python -m fastask COMMAND`.

A command is a function that adds its parser to the subparsers and sets the default
`main`, which takes the parsed arguments and returns the exit status.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fastask import application
from fastask._nodes import cli as nodes
from fastask._version import describe
from fastask.demo import command as demo

COMMANDS = (application.add_command, demo.add_command, nodes.add_commands)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names and return its exit status.

    Args:
        argv: The arguments after the program's name; None takes those of the process.

    Returns:
        The command's exit status; 0 after the help text, which no command prints.
    """
    parser = argparse.ArgumentParser(
        prog="python -m fastask",
        description="Elixir's processes and tasks for Python.",
    )
    parser.add_argument(
        "--version", action="store_true", help="print what a bug report needs"
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add_command in COMMANDS:
        add_command(subparsers)
    arguments = parser.parse_args(argv)
    if arguments.version:
        print(describe())
        return 0
    if not hasattr(arguments, "main"):
        parser.print_help()
        return 0
    status: int = arguments.main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
