"""Makes the hot path native while a wheel is built: the same Python, compiled by mypyc, and what reads bytes, which is C.

    make wheel                                            # dist/pointsman-*.whl for this platform and this Python
    HATCH_BUILD_HOOK_ENABLE_CUSTOM=true pip install .     # the same, installed

Off unless asked for, because it needs a C compiler and Python's headers: without, the wheel is pure Python and does the
same at more CPU. pyproject.toml says what is compiled (``modules``), and what is C (``extensions``): what every request
runs through.

Laws: a copy of the sources is compiled, so that no compiled module ever lies beside what one edits; an editable installation
is never compiled; what msgspec reads is left out (mypyc erases the annotations that it reads), and so are asynchronous
generators, which mypyc does not know.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OPTIONS = ("--config-file=", "--ignore-missing-imports", "--follow-imports=silent")
"""mypyc's type checker runs with no configuration: ``make types`` is where types are checked."""


class CompiledModules(BuildHookInterface[Any]):
    """Puts the compiled modules beside their sources into the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile. Raises CalledProcessError after the compiler has said what is wrong."""
        if version == "editable":
            return
        copy = self._copy
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(Path(self.root) / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        wanted = (*self.config["modules"], *self.config["extensions"])
        subprocess.run([sys.executable, __file__, *wanted], cwd=copy, check=True)
        for built in copy.rglob("*.so"):
            build_data["force_include"][str(built)] = str(built.relative_to(copy))
        build_data["pure_python"], build_data["infer_tag"] = False, True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """The wheel is written: what it was made from can go."""
        shutil.rmtree(self._copy, ignore_errors=True)

    @property
    def _copy(self) -> Path:
        return Path(self.root) / "build" / "compiled"


def compile_here(paths: list[str]) -> None:
    """Compile modules of the working directory, each to a shared library beside its source."""
    from mypyc.build import mypycify  # noqa: PLC0415 - needed only where something is compiled
    from setuptools import Distribution, Extension  # noqa: PLC0415
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415

    modules = [path for path in paths if path.endswith(".py")]
    made = mypycify([*OPTIONS, *modules], opt_level="3", debug_level="0", multi_file=True, group_name="pointsman")
    if sys.platform == "linux":  # calls within the library go straight: no other library may take the place of one (3 %)
        for one in made:
            one.extra_compile_args = [*one.extra_compile_args, "-fno-semantic-interposition"]
            one.extra_link_args = [*one.extra_link_args, "-Wl,-Bsymbolic"]
    made += [
        Extension(path.removesuffix(".c").replace("/", "."), [path], extra_compile_args=["-O3"], libraries=["m"])
        for path in paths
        if path.endswith(".c")
    ]
    command = build_ext(Distribution({"name": "pointsman", "ext_modules": made}))
    command.build_lib = command.build_temp = ".compiler"
    command.inplace, command.parallel = True, os.cpu_count()
    command.ensure_finalized()
    command.run()
    shutil.rmtree(".compiler")


if __name__ == "__main__":
    compile_here(sys.argv[1:])
