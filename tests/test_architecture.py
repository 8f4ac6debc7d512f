"""The layers of the core hold, and each of its modules has its three files.

A module of the core may cimport what lies in a lower layer and nothing else. pxd files
that cimport one another compile and load, so nothing but this test keeps a cycle out.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "src" / "_core"
STUBS = ROOT / "src" / "fastask" / "_core"

# A new module needs a row; src/_core/README.md tells what each layer is for.
LAYERS = {
    "errors": 0,
    "reason": 0,
    "ref": 0,
    "message": 0,
    "wheel": 1,
    "mailbox": 1,
    "hub": 1,
    "process": 2,
    "scheduler": 3,
    "report": 3,
    "wait": 4,
    "task": 5,
    "stream": 5,
    "verbs": 5,
}

SOURCES = sorted(CORE.glob("*.pyx"))
HEADERS = sorted(CORE.glob("*.pxd"))
MODULES = [source.stem for source in SOURCES]

CORE_PACKAGE = "fastask._core"


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


def imported(text: str, keyword: str = "c?import") -> set[str]:
    """Find the modules that a source names in its imports, wherever these stand.

    A name taken from a package itself, `from fastask._core cimport ref`, counts as a
    module of that package.
    """
    text = re.sub(r"#.*", "", text).replace("\\\n", " ")
    taken_from = rf"^\s*from\s+([\w.]+)\s+{keyword}\s+(?:\(([^)]*)\)|(.*))"
    found = set[str]()
    for module, in_brackets, in_line in re.findall(taken_from, text, re.MULTILINE):
        origin = absolute(module)
        if origin in {"fastask", CORE_PACKAGE}:
            names = names_in(in_brackets or in_line)
            found.update(f"{origin}.{name}" for name in names)
        else:
            found.add(origin)
    for listing in re.findall(rf"^\s*{keyword}\s+(.*)", text, re.MULTILINE):
        found.update(names_in(listing))
    return found


def cimported_modules(file: Path) -> set[str]:
    """Name the modules of the core that a file cimports, without its own header."""
    prefix = f"{CORE_PACKAGE}."
    names = imported(file.read_text(encoding="utf-8"), "cimport")
    modules = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    return modules - {file.stem}


CIMPORTED = set().union(*map(cimported_modules, SOURCES + HEADERS))


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
        ],
    )
    def test_finds_every_import(self, line: str, modules: set[str]) -> None:
        assert imported(line) == modules


class TestLayers:
    def test_the_core_is_where_this_test_looks(self) -> None:
        assert SOURCES

    @pytest.mark.parametrize("module", sorted({*MODULES, *(h.stem for h in HEADERS)}))
    def test_each_module_has_a_layer(self, module: str) -> None:
        assert module in LAYERS

    @pytest.mark.parametrize("file", SOURCES + HEADERS, ids=lambda file: file.name)
    def test_a_cimport_points_down(self, file: Path) -> None:
        own = LAYERS[file.stem]
        not_below = {
            name: LAYERS[name]
            for name in cimported_modules(file)
            if LAYERS[name] >= own
        }

        assert not not_below, f"{file.name} is in layer {own}"

    @pytest.mark.parametrize("file", SOURCES + HEADERS, ids=lambda file: file.name)
    def test_the_core_imports_nothing_of_the_public_package(self, file: Path) -> None:
        public = {
            name
            for name in imported(file.read_text(encoding="utf-8"))
            if re.match(r"fastask(?!\._core(\.|$))(\.|$)", name)
        }

        assert not public


class TestFiles:
    @pytest.mark.parametrize("module", sorted(CIMPORTED))
    def test_what_is_cimported_has_a_header(self, module: str) -> None:
        assert (CORE / f"{module}.pxd").is_file()

    @pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.name)
    def test_each_header_has_a_source(self, header: Path) -> None:
        assert header.stem in MODULES

    @pytest.mark.parametrize("module", MODULES)
    def test_each_module_has_a_stub(self, module: str) -> None:
        assert (STUBS / f"{module}.pyi").is_file()
