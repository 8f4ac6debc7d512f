"""The service as a program: `python -m examples.service --dsn postgresql://...`."""

from __future__ import annotations

import argparse
import asyncio
import logging

import fastask
from examples.service import Options, tree


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.service")
    parser.add_argument("--dsn", required=True, help="where PostgreSQL is")
    parser.add_argument("--host", default="127.0.0.1", help="(default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=8000, help="0: any, it is printed (default: 8000)"
    )
    parser.add_argument(
        "--post", metavar="URL", help="where letters are posted to (default: the log)"
    )
    parser.add_argument(
        "--overdue",
        type=float,
        default=Options.overdue_after,
        metavar="SECONDS",
        help="after these the checker sends a letter again (default: %(default)s)",
    )
    parser.add_argument(
        "--task-factory",
        action="store_true",
        help="run the tasks of uvicorn on the core too, by fastask.task_factory",
    )
    return parser.parse_args()


def new_loop(with_factory: bool) -> asyncio.AbstractEventLoop:
    """Return the event loop: uvloop's, where there is one."""
    try:
        import uvloop
    except ImportError:  # on Windows
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    if with_factory:
        loop.set_task_factory(fastask.task_factory)
    return loop


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    arguments = parse()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    options = Options(
        dsn=arguments.dsn,
        host=arguments.host,
        port=arguments.port,
        post_url=arguments.post,
        overdue_after=arguments.overdue,
        check_every=min(1.0, arguments.overdue),
    )
    fastask.run(tree(options), loop_factory=lambda: new_loop(arguments.task_factory))


if __name__ == "__main__":
    main()
