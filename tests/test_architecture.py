"""The layers of the core hold, and each of its modules has its three files.

A module of the core may cimport or import what lies in a lower layer and nothing else.
pxd files that cimport one another compile and load, so nothing but this test keeps a
cycle out.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fastask._core

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "src" / "_core"
STUBS = Path(fastask._core.__file__).resolve().parent  # installed, or a checkout
README = CORE / "README.md"

# A new module needs a row; src/_core/README.md tells what each layer is for.
LAYERS = {
    "census": 0,
    "pool": 0,
    "slot": 0,
    "refcount": 0,
    "stepped": 0,
    "context": 0,
    "errors": 0,
    "reason": 0,
    "ref": 0,
    "message": 0,
    "wheel": 0,
    "frame": 0,
    "answer": 1,
    "mailbox": 1,
    "hub": 1,
    "process": 2,
    "wait": 3,
    "aim": 3,
    "bond": 3,
    "future": 3,
    "report": 3,
    "thread": 3,
    "framer": 3,
    "outgoing": 3,
    "signal": 4,
    "request": 4,
    "worker": 4,
    "step": 5,
    "dispatch": 6,
    "scheduler": 7,
    "current": 8,
    "asyncio_task": 9,
    "names": 9,
    "receive": 9,
    "executor": 9,
    "start": 10,
    "timer": 10,
    "verb": 10,
    "call": 10,
    "starting": 10,
    "task": 11,
    "children": 11,
    "server": 11,
    "collect": 12,
    "stream": 12,
    "remote": 12,
    "supervise": 13,
    "term": 13,
    "traffic": 14,
}

# Imports (never cimports) within a layer, each with its reason.
BESIDE = {
    ("errors", "reason"): "Exit normalises its reason; the import stands at the end",
    ("message", "errors"): "Failed.unwrap raises Exit",
}

# Headers without a source, each with its reason.
HEADERS_ALONE = {
    "pool": "C code that each module which takes it compiles itself",
    "slot": "C code that each module which takes it compiles itself",
    "refcount": "C code that each module which takes it compiles itself",
    "stepped": "C code that each module which takes it compiles itself",
}

# Who touches asyncio, and what for. The others may name its exceptions.
ASYNCIO = {
    "step": "tells which task is asyncio's current one",
    "future": "knows asyncio's own futures by their type",
    "current": "asks which loop runs in this thread",
    "hub": "asks which loop runs in this thread",
    "process": "is a task to asyncio, whose helpers print its stack",
    "asyncio_task": "is one of asyncio's tasks",
}
ASYNCIO_EXCEPTIONS = {"CancelledError", "InvalidStateError"}

SOURCES = sorted(CORE.glob("*.pyx"))
HEADERS = sorted(CORE.glob("*.pxd"))
FILES = SOURCES + HEADERS
MODULES = [source.stem for source in SOURCES]

CORE_PACKAGE = "fastask._core"

STRING_OR_COMMENT = re.compile(
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''(?:\\.|[^\\])*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'(?:\\.|[^'\\\n])*'"
    r"|#.*"
)


def absolute(name: str) -> str:
    """Write a relative name, as a module of the core uses it, in full."""
    if name.startswith(".."):
        return f"fastask.{name[2:]}".rstrip(".")
    if name.startswith("."):
        return f"{CORE_PACKAGE}.{name[1:]}".rstrip(".")
    return name


def names_in(listing: str) -> list[str]:
    """Split what follows an `import`, without what each name is called here."""
    return [name.split()[0] for name in listing.split(",") if name.strip()]


def code_of(text: str) -> str:
    """Return a source without its comments and without what its strings hold."""
    return STRING_OR_COMMENT.sub('""', text).replace("\\\n", " ")


def imports(text: str, keyword: str = "c?import") -> set[tuple[str, str]]:
    """Find pairs of a module and a name taken from it; "" means the module itself."""
    text = code_of(text).replace('""', "")
    taken_from = rf"^\s*from\s+([\w.]+)\s+{keyword}\s+(?:\(([^)]*)\)|(.*))"
    found = set[tuple[str, str]]()
    for module, in_brackets, in_line in re.findall(taken_from, text, re.MULTILINE):
        for name in names_in(in_brackets or in_line):
            found.add((absolute(module), name))
    for listing in re.findall(rf"^\s*{keyword}\s+(.*)", text, re.MULTILINE):
        found.update((name, "") for name in names_in(listing))
    return found


def imported(text: str, keyword: str = "c?import") -> set[str]:
    """Find the modules that a source names in its imports, wherever these stand.

    A name taken from a package itself, `from fastask._core cimport ref`, counts as a
    module of that package.
    """
    packages = {"fastask", CORE_PACKAGE}
    return {
        f"{module}.{name}" if module in packages and name else module
        for module, name in imports(text, keyword)
    }


def core_modules(file: Path, keyword: str) -> set[str]:
    """Name the modules of the core that a file imports, without its own header."""
    prefix = f"{CORE_PACKAGE}."
    names = imported(file.read_text(encoding="utf-8"), keyword)
    modules = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    return modules - {file.stem}


def cimported_by(module: str) -> set[str]:
    """Name the modules of the core that one cimports, itself or by what it cimports."""
    found: set[str] = set()
    left = [module]
    while left:
        name = left.pop()
        files = [file for file in FILES if file.stem == name]
        new = set().union(*(core_modules(file, "cimport") for file in files)) - found
        found |= new
        left += new
    return found


CIMPORTED = {name for file in FILES for name in core_modules(file, "cimport")}


class TestReader:
    @pytest.mark.parametrize(
        ("line", "modules"),
        [
            ("from .ref cimport Ref, make_ref", {"fastask._core.ref"}),
            (
                "from . cimport ref as r, hub",
                {"fastask._core.ref", "fastask._core.hub"},
            ),
            ("from . cimport (  # a\n  ref,\n)", {"fastask._core.ref"}),
            ("from fastask._core cimport ref", {"fastask._core.ref"}),
            ("from fastask._core.ref cimport Ref", {"fastask._core.ref"}),
            ("cimport fastask._core.ref as r", {"fastask._core.ref"}),
            ("if True:\n    from .ref cimport (\n        Ref)", {"fastask._core.ref"}),
            ("from cpython.ref cimport Py_INCREF", {"cpython.ref"}),
            ("# from .ref cimport Ref", set()),
            ('"""\nfrom .ref cimport Ref\n"""', set()),
            ("it = 'is'  # isn't\nfrom .ref cimport Ref", {"fastask._core.ref"}),
            ("from .ref import Ref\nimport asyncio", set()),
        ],
    )
    def test_finds_cimports(self, line: str, modules: set[str]) -> None:
        assert imported(line, "cimport") == modules

    @pytest.mark.parametrize(
        ("line", "modules"),
        [
            ("from ..process import spawn", {"fastask.process"}),
            ("from .. import process", {"fastask.process"}),
            ("from fastask import process", {"fastask.process"}),
            ("    import fastask.process", {"fastask.process"}),
            ("import asyncio, fastask", {"asyncio", "fastask"}),
            ("from .ref cimport Ref", {"fastask._core.ref"}),
            ('def f():\n    """Do.\n\n    import fastask\n    """', set()),
        ],
    )
    def test_finds_every_import(self, line: str, modules: set[str]) -> None:
        assert imported(line) == modules


class TestLayers:
    def test_the_core_is_where_this_test_looks(self) -> None:
        assert SOURCES

    def test_the_table_lists_the_modules_that_exist(self) -> None:
        assert sorted(LAYERS) == sorted({file.stem for file in FILES})

    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_a_cimport_points_down(self, file: Path) -> None:
        own = LAYERS[file.stem]
        not_below = {
            name: LAYERS[name]
            for name in core_modules(file, "cimport")
            if LAYERS[name] >= own and name not in HEADERS_ALONE
        }

        assert not not_below, f"{file.name} is in layer {own}"

    @pytest.mark.parametrize("header", HEADERS_ALONE)
    def test_a_header_alone_is_below_all_modules(self, header: str) -> None:
        assert LAYERS[header] == 0
        assert not core_modules(CORE / f"{header}.pxd", "c?import")

    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_an_import_points_down(self, file: Path) -> None:
        own = LAYERS[file.stem]
        not_below = {
            name: LAYERS[name]
            for name in core_modules(file, "import")
            if LAYERS[name] >= own and (file.stem, name) not in BESIDE
        }

        assert not not_below, f"{file.name} is in layer {own}"

    @pytest.mark.parametrize(("module", "beside"), sorted(BESIDE))
    def test_an_exception_is_needed_and_stays_in_its_layer(
        self, module: str, beside: str
    ) -> None:
        assert beside in core_modules(CORE / f"{module}.pyx", "import")
        assert LAYERS[module] == LAYERS[beside]

    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_the_core_imports_nothing_of_the_public_package(self, file: Path) -> None:
        public = {
            name
            for name in imported(file.read_text(encoding="utf-8"))
            if re.match(r"fastask(?!\._core(\.|$))(\.|$)", name)
        }

        assert not public


class TestErrors:
    @pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
    def test_who_catches_one_as_a_name_knows_the_hub(self, source: Path) -> None:
        """Its header says what an error without a traceback is to Cython."""
        code = code_of(source.read_text(encoding="utf-8"))
        if re.search(r"^\s*except\b.*\bas\b", code, re.MULTILINE):
            assert source.stem == "hub" or "hub" in cimported_by(source.stem)


class TestAsyncio:
    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_is_touched_by_few(self, file: Path) -> None:
        touched = {
            (module, name)
            for module, name in imports(file.read_text(encoding="utf-8"))
            if re.match(r"(asyncio|uvloop|winloop)(\.|$)", module)
            and (module, name) not in {("asyncio", e) for e in ASYNCIO_EXCEPTIONS}
        }

        assert not touched or file.stem in ASYNCIO

    @pytest.mark.parametrize("module", sorted(ASYNCIO))
    def test_is_needed_by_these(self, module: str) -> None:
        text = (CORE / f"{module}.pyx").read_text(encoding="utf-8")
        names = {name for origin, name in imports(text) if origin.startswith("asyncio")}

        assert names - ASYNCIO_EXCEPTIONS


class TestFiles:
    @pytest.mark.parametrize("module", sorted(CIMPORTED))
    def test_what_is_cimported_has_a_header(self, module: str) -> None:
        assert (CORE / f"{module}.pxd").is_file()

    @pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.name)
    def test_each_header_has_a_source(self, header: Path) -> None:
        assert header.stem in MODULES or header.stem in HEADERS_ALONE

    @pytest.mark.parametrize("module", MODULES)
    def test_each_module_has_a_stub(self, module: str) -> None:
        assert (STUBS / f"{module}.pyi").is_file()


class TestReadme:
    def test_its_table_of_layers_is_this_one(self) -> None:
        rows = re.findall(
            r"^\| (\d+) \| ([\w`, ]+) \|", README.read_text(encoding="utf-8"), re.M
        )
        table = {
            module: int(layer)
            for layer, modules in rows
            for module in re.findall(r"`(\w+)`", modules)
        }

        assert table == LAYERS

    def test_defines_each_invariant_once_and_in_order(self) -> None:
        assert defined_invariants() == list(range(1, len(defined_invariants()) + 1))

    def test_defines_the_invariants_that_the_core_cites(self) -> None:
        cited = {
            int(number)
            for file in FILES
            for number in re.findall(r"\bI(\d+)\b", file.read_text(encoding="utf-8"))
        }

        assert cited == set(defined_invariants())


def defined_invariants() -> list[int]:
    """Return the numbers of the invariants that the README of the core defines."""
    text = README.read_text(encoding="utf-8")
    return [int(number) for number in re.findall(r"^\*\*I(\d+)\.\*\*", text, re.M)]
