"""Every example in the README, in docs and in the docstrings of public names runs.

Each block is a program of its own. One that defines `main` and does not run it is run
by `fastask.run`. What it logs as an error or warns of fails it, unless the page says
before the block, in a comment that no reader sees, that a crash is its subject.
"""

from __future__ import annotations

import gc
import inspect
import logging
import re
import textwrap
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import fastask
import fastask.testing

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]

FENCE = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CRASHES = "<!-- this example logs a crash -->\n"


@dataclass(frozen=True)
class Example:
    """A program in a text."""

    id: str
    file: str
    line: int
    code: str
    crashes: bool = False

    def run(self) -> None:
        """Run the program as if it were a file, with its line numbers in the text."""
        source = "\n" * (self.line - 1) + self.code
        names: dict[str, object] = {"__name__": "__main__"}
        exec(compile(source, self.file, "exec"), names)
        main = names.get("main")
        if inspect.iscoroutinefunction(main) and not re.search(r"\brun\(", self.code):
            fastask.run(main)


def examples_of(page: Path) -> Iterator[Example]:
    """Find the programs of a page, named after it and their sections."""
    text = page.read_text(encoding="utf-8")
    name = "-".join(page.relative_to(ROOT).with_suffix("").parts)
    counts = Counter[str]()
    for block in FENCE.finditer(text):
        before = text[: block.start()]
        # Comments in the programs look like headings.
        section = HEADING.findall(FENCE.sub("", before))[-1]
        slug = "-".join(re.findall(r"\w+", section.lower()))
        counts[slug] += 1
        yield Example(
            id=f"{name}-{slug}-{counts[slug]}",
            file=str(page),
            line=before.count("\n") + 2,
            code=textwrap.dedent(block[2]),
            crashes=before.endswith(CRASHES),
        )


def documented() -> Iterator[tuple[str, object]]:
    """List the public functions and classes, and what these define."""
    public = {name: getattr(fastask, name) for name in fastask.__all__}
    public |= {
        f"sys.{name}": getattr(fastask.sys, name) for name in fastask.sys.__all__
    }
    public |= {
        f"testing.{name}": getattr(fastask.testing, name)
        for name in fastask.testing.__all__
    }
    for name, item in public.items():
        if inspect.isclass(item) or inspect.isroutine(item):
            yield name, item
        if inspect.isclass(item):
            for member, value in vars(item).items():
                if not member.startswith("_"):
                    yield f"{name}.{member}", value


def docstring_examples() -> Iterator[Example]:
    """Find the programs in the docstrings of the public names."""
    for name, item in documented():
        blocks = list(FENCE.finditer(getattr(item, "__doc__", None) or ""))
        for number, block in enumerate(blocks, 1):
            yield Example(
                id=name if len(blocks) == 1 else f"{name}-{number}",
                file=f"<the docstring of {name}>",
                line=1,
                code=textwrap.dedent(block[2]),
            )


IN_PAGES = [example for page in PAGES for example in examples_of(page)]
IN_DOCSTRINGS = list(docstring_examples())


def check(example: Example, caplog: pytest.LogCaptureFixture) -> None:
    """Run an example and look at what it logs and warns of."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        example.run()
        gc.collect()  # a coroutine that nobody awaited warns when it is freed
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]

    assert not [str(warning.message) for warning in warned]
    if example.crashes:
        assert {record.name for record in errors} == {"fastask"}
    else:
        assert not [record.getMessage() for record in errors]


class TestPages:
    def test_have_examples(self) -> None:
        assert len(IN_PAGES) > 20

    @pytest.mark.parametrize("example", IN_PAGES, ids=lambda example: example.id)
    def test_run(self, example: Example, caplog: pytest.LogCaptureFixture) -> None:
        check(example, caplog)

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
    def test_never_name_the_distribution_of_somebody_else(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")

        assert not re.search(r"pip install '?fastask(?!-otp)", text)

    def test_list_each_public_name_once_in_the_reference(self) -> None:
        listed = [
            name
            for page in (ROOT / "docs" / "reference").glob("*.md")
            for name in re.findall(
                r"^::: fastask\.(\w+)$", page.read_text("utf-8"), re.M
            )
            if name not in ("sys", "testing")
        ]

        assert sorted(listed) == sorted(fastask.__all__)


class TestDocstrings:
    def test_has_examples(self) -> None:
        assert IN_DOCSTRINGS

    @pytest.mark.parametrize("example", IN_DOCSTRINGS, ids=lambda example: example.id)
    def test_runs(self, example: Example, caplog: pytest.LogCaptureFixture) -> None:
        check(example, caplog)
