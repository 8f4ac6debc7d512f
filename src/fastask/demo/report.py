"""What the demo prints: a line of progress, the summary, tables."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

from fastask.demo.checksum import LISTED_FAILURES, Total

REDRAW_SECONDS = 0.1


class Progress:
    """A line that is written over and over; silent unless `stream` is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        """Begin now, on `stream`."""
        self._stream = stream
        self._is_shown = stream.isatty()
        self._started = time.monotonic()
        self._next = self._started
        self._width = 0

    def update(self, total: Total) -> None:
        """Show `total`, if it is time to."""
        now = time.monotonic()
        if not self._is_shown or now < self._next:
            return
        self._next = now + REDRAW_SECONDS
        rate = total.files / (now - self._started) if now > self._started else 0.0
        self._draw(
            f"{total.files} files  {total.size / 1e6:.1f} MB  "
            f"{total.failed} failures  {rate:.0f} files/s"
        )

    def clear(self) -> None:
        """Leave the line empty and the cursor at its start."""
        if self._width:
            self._draw("")
            self._stream.write("\r")
            self._stream.flush()

    def _draw(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = len(text)


def print_total(total: Total, seconds: float) -> None:
    """Print the summary of a tree and the first failures."""
    rows = [
        ("files", f"{total.files:,}"),
        ("bytes", f"{total.size:,}"),
        ("lines", f"{total.lines:,}"),
        ("failures", f"{total.failed:,}"),
        ("seconds", f"{seconds:.2f}"),
        ("digest", total.digest),
    ]
    print_lines(f"{name:<10}{value}" for name, value in rows)
    if total.failures:
        print_lines(["", "Not read:"])
        print_lines(f"  {path}: {reason}" for path, reason in total.failures)
    if total.failed > LISTED_FAILURES:
        print_lines([f"  ... and {total.failed - LISTED_FAILURES:,} more"])


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print `rows` under `head` in columns as wide as their widest cell."""
    columns = zip(head, *rows, strict=True)
    widths = [max(len(cell) for cell in column) for column in columns]
    rule = ["-" * width for width in widths]
    for row in (head, rule, *rows):
        cells = zip(row, widths, strict=True)
        print_lines(["  ".join(f"{cell:<{width}}" for cell, width in cells).rstrip()])


def print_lines(lines: Iterable[str]) -> None:
    """Print lines at once, whatever the names of files in them contain."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        shown = "".join(c if c.isprintable() else _escape(c) for c in line)
        print(shown.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
