"""What the package promises of its own source: who imports whom, and what is done nowhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hfinv"
LAYERS = (
    "errors progress presets",
    "shapes settings camera image device fill",
    "generators",
    "losses perceptual",
    "intake",
    "encoders",
    "contextual geometry",
    "symmetry",
    "identity metrics anchors prior reach",
    "latent",
    "pseudoview painting",
    "terms",
    "heldout kept",
    "tuning",
    "video",
    "render",
    "memory versions storage rundir steplog run",
    "head editing export",
    "config",
    "adapt cost",
    "report",
    "pipeline weights viewer directions",
    "training",
    "bench",
    "shots doctor",
    "samples",
    "console options",
    "verbs",
    "bench_cli directions_cli generators_cli training_cli",
    "cli",
    "__main__",
)
"""Lowest first. A module imports those before it and its neighbours, never those after it."""
HEAVY = ("torch", "numpy", "cv2", "scipy", "PIL", "imageio")

FILES = sorted(PACKAGE.rglob("*.py"))
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}


def part(file: Path) -> str:
    """The module or package directly below hfinv that a file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of the modules imported anywhere in a file, and of what is taken from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_imports_go_one_way(file: Path) -> None:
    own = part(file)
    if own == "__init__":
        return  # the public names, imported on first use
    assert own in RANK, f"hfinv/{own} has no layer yet: add it to LAYERS"
    for name in imported(ast.parse(file.read_text())):
        words = name.split(".")
        if words[0] == "hfinv" and len(words) > 1 and words[1] in RANK:
            assert RANK[words[1]] <= RANK[own], f"{own} imports {name}, which is built on it"


def test_the_layers_name_only_what_there_is() -> None:
    assert set(RANK) <= {part(file) for file in FILES} | {"contextual", "symmetry"}


def runs_code(tree: ast.AST) -> list[str]:
    """Whatever in a file could execute code that a weights file brings."""
    modules = {"pickle", "_pickle", "cPickle", "dill", "joblib", "shelve"}
    found = [
        name for name in imported(tree) if name.split(".")[0] in modules or name == "torch.load"
    ]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "load"
            and ast.unparse(node.value) == "torch"
        ):
            found.append("torch.load")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                found.append("allow_pickle")
    return found


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import pickle", ["pickle"]),
        ("from pickle import Unpickler", ["pickle", "pickle.Unpickler"]),
        ("import torch\nx = torch.load('a')", ["torch.load"]),
        ("from torch import load", ["torch.load"]),
        ("np.load(f, allow_pickle=True)", ["allow_pickle"]),
        ("np.load(f, allow_pickle=False)\nfrom safetensors.torch import load\nload(b'')", []),
    ],
)
def test_the_search_for_unpickling_finds_what_it_should(code: str, expected: list[str]) -> None:
    assert runs_code(ast.parse(code)) == expected


def test_only_the_checkpoint_reader_may_unpickle() -> None:
    guilty = {
        file.relative_to(PACKAGE).as_posix()
        for file in FILES
        if runs_code(ast.parse(file.read_text()))
    }
    assert guilty <= {"generators/checkpoint.py"}


def test_nothing_below_the_command_line_prints_or_exits() -> None:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in (
                    "print",
                    "exit",
                    "quit",
                    "sys.exit",
                    "os._exit",
                ), f"{file}: {called}"


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "--version",
        "invert --help",
        "render --help",
        "train generator --help",
        "train encoder --help",
        "config --help",
        "weights info --help",
        "sample --help",
        "bench --help",
        "eval --help",
        "report --help",
        "view --help",
    ],
)
def test_help_does_not_wait_for_torch(words: str) -> None:
    code = f"""
import sys
from hfinv.cli import main
try:
    main({words.split()!r}, prog_name="hfinv")
finally:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent)
    assert said.returncode == 0 and said.stdout and said.stderr == "[]\n", said.stderr
