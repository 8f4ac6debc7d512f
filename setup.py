"""Compile the core: src/_core/NAME.pyx becomes the module fastask._core.NAME.

Everything else about the project stands in pyproject.toml.

FASTASK_DEBUG=1 builds with assertions, a census and without optimisation, and
FASTASK_SANITIZE=address,undefined with those sanitizers too (gcc and clang only).
Objects do not remember their flags: remove build/ after changing one.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup

CORE = Path("src/_core")
CIMPORT_ROOT = Path("build/cimport")
DIRECTIVES = {
    "language_level": 3,
    "auto_pickle": False,  # a pickled process would be a lie
    "embedsignature": True,
    "embedsignature.format": "python",
}

COLD = {"errors", "executor", "reason", "report", "thread", "worker"}
"""Modules that nothing hot passes through: they are made small, not quick."""

NO_ASSERTIONS = [("CYTHON_WITHOUT_ASSERTIONS", "1")]

SANITIZE = os.environ.get("FASTASK_SANITIZE", "")
DEBUG = bool(SANITIZE or os.environ.get("FASTASK_DEBUG"))


def show_core_as_package() -> None:
    """Give src/_core the path under which a cimport of fastask._core looks for it."""
    package = CIMPORT_ROOT / "fastask" / "_core"
    if package.is_symlink():
        if package.resolve() == CORE.resolve():
            return
        package.unlink()
    elif package.exists():
        shutil.rmtree(package)
    package.parent.mkdir(parents=True, exist_ok=True)
    try:
        package.symlink_to(CORE.resolve(), target_is_directory=True)
    except OSError:  # Windows asks for a privilege; a copy keeps the file times
        shutil.copytree(CORE, package)


def core_module(source: Path) -> Extension:
    """Describe one compiled module; nothing is translated before build_ext runs."""
    optimise = "-Os" if source.stem in COLD else "-O3"
    compile_args = ["-O0", "-g3", "-UNDEBUG"] if DEBUG else [optimise, "-g0"]
    sanitizers = [f"-fsanitize={SANITIZE}"] if SANITIZE else []
    # -g0 leaves no debugger's symbols, -s none of the linker's: an eighth of a wheel.
    strip = [] if DEBUG or sys.platform != "linux" else ["-Wl,-s"]
    module = Extension(
        f"fastask._core.{source.stem}",
        sources=[source.as_posix()],
        depends=[header.as_posix() for header in sorted(CORE.glob("*.pxd"))],
        # Without free lists, the census of a debug build sees every object.
        define_macros=[("CYTHON_USE_FREELISTS", "0")] if DEBUG else NO_ASSERTIONS,
        # MSVC knows none of these flags and optimises by default.
        extra_compile_args=[] if sys.platform == "win32" else compile_args + sanitizers,
        extra_link_args=sanitizers + strip,
    )
    # Read by Cython's build_ext, which setuptools takes where Cython is importable.
    module.cython_directives = DIRECTIVES
    module.cython_include_dirs = [str(CIMPORT_ROOT)]
    module.cython_c_in_temp = True
    return module


show_core_as_package()
setup(ext_modules=[core_module(source) for source in sorted(CORE.glob("*.pyx"))])
