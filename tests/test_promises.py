"""The page of promises is whole: its clauses are numbered, and their tests exist.

docs/promises.md says what a program may rely on. A test that is renamed must not leave
a promise that nothing holds.
"""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "promises.md"
README = ROOT / "README.md"
SCENARIOS = ROOT / "tests" / "differential" / "README.md"

LINK = (
    "[`docs/promises.md`](docs/promises.md) says clause by clause what is promised, "
    "and which test holds it."
)

CLAUSE = re.compile(r"^\*\*([A-Z])(\d+)\.\*\*", re.MULTILINE)
CITATION = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")
PATH = re.compile(r"\]\(([\w/.]+)\)")

TEXT = PAGE.read_text(encoding="utf-8")
CITED = sorted(set(CITATION.findall(TEXT)))


def clauses(letter: str) -> dict[int, str]:
    """Return the text of each clause, with the line that cites its tests."""
    found = list(CLAUSE.finditer(TEXT))
    ends = [clause.start() for clause in found[1:]] + [len(TEXT)]
    return {
        int(clause[2]): TEXT[clause.end() : end]
        for clause, end in zip(found, ends, strict=True)
        if clause[1] == letter
    }


def words(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())


@functools.cache
def names_in(path: str) -> set[str]:
    """Name the tests of a file, as `Class::test` or `test`, without importing it."""
    found = set[str]()

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}::")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(prefix + node.name)

    visit(ast.parse((ROOT / path).read_text(encoding="utf-8")).body, "")
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


class TestClauses:
    @pytest.mark.parametrize("letter", "PND")
    def test_are_numbered_from_one_without_a_gap(self, letter: str) -> None:
        numbers = [
            int(number) for kind, number in CLAUSE.findall(TEXT) if kind == letter
        ]

        assert numbers
        assert numbers == list(range(1, len(numbers) + 1))

    @pytest.mark.parametrize("number", clauses("P"))
    def test_that_promise_cite_a_test(self, number: int) -> None:
        assert CITATION.search(clauses("P")[number])

    def test_that_are_referred_to_exist(self) -> None:
        numbers = re.findall(r"(?<!\*)\bP(\d+)\b", TEXT)

        assert {int(number) for number in numbers} <= set(clauses("P"))

    def test_have_no_line_of_tests_that_is_not_read(self) -> None:
        assert len(re.findall(r"`tests/.*::", TEXT)) == len(CITATION.findall(TEXT))


class TestCited:
    @pytest.mark.parametrize(("path", "test"), CITED, ids=map("::".join, CITED))
    def test_is_a_test_that_exists(self, path: str, test: str) -> None:
        assert (ROOT / path).is_file()
        assert test in names_in(path)

    @pytest.mark.parametrize("path", sorted(set(PATH.findall(TEXT))))
    def test_file_exists(self, path: str) -> None:
        assert (PAGE.parent / path).is_file()


class TestPage:
    def test_names_each_scenario_that_differs_from_elixir(self) -> None:
        _, _, table = SCENARIOS.read_text(encoding="utf-8").partition("## Differences")
        scenarios = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)

        assert scenarios
        assert [name for name in scenarios if f"`{name}`" not in TEXT] == []

    def test_is_linked_by_the_readme_where_the_differences_begin(self) -> None:
        _, _, rest = README.read_text(encoding="utf-8").partition(
            "\n## Differences from Elixir\n"
        )

        assert words(rest).startswith(LINK)
