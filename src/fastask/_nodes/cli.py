"""The commands `scheduler` and `node`: the head of a cluster, and a node of it."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastask.process import sleep
from fastask.runtime import run

if TYPE_CHECKING:
    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

TERMINATED = 143
UNUSABLE = 2

HEAD = """\
Runs the head of a cluster of nodes on Dask distributed, which lists the nodes, until
SIGINT or SIGTERM. It prints the address that nodes join. It listens on the loopback
address; elsewhere only with certificates.
"""

NODE = """\
Runs a node until SIGINT or SIGTERM, then stops its children in reverse order and
leaves the cluster. The exit status is 0 after an orderly stop, 1 when the node could
not join or gave up, and 2 when the arguments do not fit.
"""


def add_commands(commands: _Subparsers) -> None:
    """Add `scheduler` and `node` to the commands of `python -m fastask`."""
    parser = commands.add_parser(
        "scheduler", help="run the head of a cluster", description=HEAD
    )
    parser.set_defaults(main=main_scheduler)
    _add_place(parser, "where it listens (default: 127.0.0.1)", 8786)
    _add_common(parser)

    parser = commands.add_parser(
        "node", help="run a node of a cluster", description=NODE
    )
    parser.set_defaults(main=main_node)
    parser.add_argument("--name", required=True, metavar="NAME@HOST", help="its name")
    parser.add_argument("--join", metavar="ADDRESS", help="HOST:PORT of the head")
    parser.add_argument(
        "--app",
        metavar="MODULE:ATTRIBUTE",
        help="the children that it runs (default: a task supervisor)",
    )
    parser.add_argument(
        "--engine",
        default="dask",
        choices=["dask"],
        help="what carries the nodes (default: %(default)s)",
    )
    _add_place(parser, "where it listens (default: loopback, or towards the head)", 0)
    _add_common(parser)


def _add_place(parser: argparse.ArgumentParser, text: str, port: int) -> None:
    parser.add_argument("--host", metavar="HOST", help=text)
    parser.add_argument(
        "--port",
        type=_port,
        default=port,
        metavar="PORT",
        help="0 takes a free one (default: %(default)s)",
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    for key, text in {
        "ca": "the certificate of the authority, PEM",
        "cert": "the certificate, PEM",
        "key": "the key of the certificate, PEM",
    }.items():
        parser.add_argument(f"--tls-{key}", metavar="FILE", help=text)
    parser.add_argument(
        "--net-ticktime",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long a node may be silent (default: 60)",
    )
    parser.add_argument(
        "--log-level",
        default="INFO",
        metavar="LEVEL",
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help="what is logged to the standard error output (default: INFO)",
    )


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 11 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number >= 11, got {text!r}")
    return number


def security_from(arguments: argparse.Namespace) -> dict[str, str] | None:
    """Return the paths of the certificates, None when none was given.

    Raises:
        ValueError: If only some of the three were given.
    """
    paths = {key: getattr(arguments, f"tls_{key}") for key in ("ca", "cert", "key")}
    if not any(paths.values()):
        return None
    missing = [f"--tls-{key}" for key, path in paths.items() if not path]
    if missing:
        raise ValueError(f"{' and '.join(missing)} must be given, too")
    return paths


def main_scheduler(arguments: argparse.Namespace) -> int:
    """Run the head of a cluster.

    Args:
        arguments: What the parser of `add_commands` made.

    Returns:
        0 after an orderly stop, 1 when it could not listen, 2 when the arguments do not
        fit.
    """

    async def serve() -> None:
        from fastask._nodes.dask.head import Head

        given = {} if arguments.host is None else {"host": arguments.host}
        head = Head(
            **given,
            port=arguments.port,
            security=security_from(arguments),
            net_ticktime=arguments.net_ticktime,
        )
        await head.serve(lambda address: print(f"head {address}", flush=True))

    return _complete("scheduler", serve, arguments.log_level)


def main_node(arguments: argparse.Namespace) -> int:
    """Run a node.

    Args:
        arguments: What the parser of `add_commands` made.

    Returns:
        0 after an orderly stop, 1 when it could not join or gave up, 2 when the
        arguments do not fit.
    """

    async def be_node() -> None:
        from fastask._nodes.dask import DaskEngine

        fastask: Any = importlib.import_module("fastask")
        async with fastask.connect(
            engine=DaskEngine(host=arguments.host, port=arguments.port),
            name=arguments.name,
            join=arguments.join,
            security=security_from(arguments),
            app=arguments.app,
            net_ticktime=arguments.net_ticktime,
        ):
            print(f"node {arguments.name}", flush=True)
            await sleep(None)

    return _complete("node", be_node, arguments.log_level)


def _complete(
    command: str, main: Callable[[], Coroutine[Any, Any, None]], level: str
) -> int:
    """Run a command until a signal, and return its exit status."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m fastask run` finds an app
    try:
        run(main)
    except (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError) as error:
        print(f"fastask {command}: {error}", file=sys.stderr)
        return UNUSABLE
    except OSError as error:
        print(f"fastask {command}: {error}", file=sys.stderr)
        return 1
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 1
        return 0 if code == TERMINATED else code
    except KeyboardInterrupt:
        return 0
    return 0
