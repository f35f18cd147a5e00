"""The shape of the house: sizes, rooms, names and purity, counted from the sources; tables of exceptions shrink."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ("bridge", "appservice")
ALL = (*SOURCE, "liaison", "deploy", "tests")

MOST_LINES_OF_A_FUNCTION = 50
MOST_PARAMETERS = 7
MOST_LINES_OF_A_FILE = 400
MOST_MODULES_OF_A_ROOM = 20

# Nothing is added to these four: whoever mends one takes its line away, and a line without an offender fails, too.
LONG_FUNCTIONS: set[str] = set()
MANY_PARAMETERS: set[str] = set()
LONG_FILES = {
    "deploy/world/stub/homeserver.py",
    "deploy/world/stub/human.py",
    "deploy/world/stub/world.py",
}
NAMES_OF_TWO_CLASSES: set[str] = set()

INPUT_AND_OUTPUT = {"asyncio", "socket", "sqlite3", "asyncpg", "aiohttp"}


@cache
def modules(*roots: str) -> dict[str, Path]:
    """Every module of these packages: its dotted name and its file."""
    found = {}
    for root in roots:
        for path in sorted((ROOT / root).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "node_modules" not in parts:
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"))


def short(path: Path) -> str:
    """A file as it is named in the tables."""
    return path.relative_to(ROOT).as_posix()


_Statement = ast.FunctionDef | ast.AsyncFunctionDef | ast.Import | ast.ImportFrom


@cache
def statements(path: Path) -> list[_Statement]:
    """Every function, method and import of a file: statements, which are in statements only."""
    some: list[_Statement] = []
    todo: list[ast.AST] = [tree(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, _Statement):
            some.append(node)
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                todo += inner
    return some


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    return (n for n in statements(path) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def imported(name: str, path: Path) -> set[str]:
    """Dotted names that a module imports, wherever it does; for ``from a import b`` both ``a`` and ``a.b``."""
    names: set[str] = set()
    for node in statements(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = name.split(".")[: None if path.name == "__init__.py" else -1]
                base = ".".join([*here[: len(here) + 1 - node.level], *([base] if base else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


def arrows(*roots: str) -> Iterator[tuple[str, str]]:
    """Every import of one of our modules by another; what is imported from a module of a package is that module."""
    known = modules(*roots)
    for name, path in known.items():
        wanted = {other for other in imported(name, path) if other in known and other != name}
        for other in wanted:
            if not any(deeper.startswith(other + ".") for deeper in wanted):
                yield name, other


def room(name: str) -> str:
    """The folder of a module. A module that stands beside the rooms (a noun, a contract) is a room of its own."""
    path = modules(*ALL)[name]
    package = path.parent.relative_to(ROOT).as_posix()
    return name if any(p.is_dir() for p in path.parent.iterdir() if (p / "__init__.py").exists()) else package


def circles(edges: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges that lie on a circle."""
    after: dict[str, set[str]] = defaultdict(set)
    for start, end in edges:
        after[start].add(end)
    reached: dict[str, set[str]] = {}
    for start in list(after):
        seen, todo = set[str](), [start]
        while todo:
            new = after[todo.pop()] - seen
            seen |= new
            todo += new
        reached[start] = seen
    return sorted((start, end) for start, end in edges if start in reached.get(end, ()))


# ---- sizes


def test_functions_are_short() -> None:
    long = {
        f"{short(path)}:{f.name}"
        for path in modules(*ALL).values()
        for f in functions(path)
        if (f.end_lineno or f.lineno) - f.lineno + 1 > MOST_LINES_OF_A_FUNCTION
    }
    assert long == LONG_FUNCTIONS


def test_functions_have_few_parameters() -> None:
    many = set()
    for path in modules(*ALL).values():
        for f in functions(path):
            names = [a.arg for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs)]
            if len(names) - (names[:1] in (["self"], ["cls"])) > MOST_PARAMETERS:
                many.add(f"{short(path)}:{f.name}")
    assert many == MANY_PARAMETERS


def test_files_fit_in_the_head() -> None:
    long = {
        short(path)
        for path in modules(*ALL).values()
        if len(path.read_text("utf-8").splitlines()) > MOST_LINES_OF_A_FILE
    }
    assert long == LONG_FILES


def test_a_room_has_few_modules() -> None:
    count: dict[str, int] = defaultdict(int)
    for path in modules(*ALL).values():
        count[short(path.parent)] += path.name != "__init__.py"
    assert {folder: n for folder, n in count.items() if n > MOST_MODULES_OF_A_ROOM} == {}


# ---- rooms


@pytest.mark.parametrize("roots", [(*SOURCE, "liaison"), ("deploy",)], ids=" ".join)
def test_no_rooms_stand_on_one_another(roots: tuple[str, ...]) -> None:
    edges = {(room(a), room(b)) for a, b in arrows(*roots)}
    assert circles({(a, b) for a, b in edges if a != b and not _within(a, b)}) == []


def _within(a: str, b: str) -> bool:
    """Whether one of two rooms lies in the other: a package's own face may import what is inside of it."""
    a, b = a.replace(".", "/"), b.replace(".", "/")
    return a.startswith(b + "/") or b.startswith(a + "/")


def test_no_modules_stand_on_one_another() -> None:
    assert circles(set(arrows(*ALL))) == []


def pure() -> dict[str, Path]:
    """Modules that say so of themselves in the first paragraph of their docstring; nouns and errors are pure anyway."""
    said = {}
    for name, path in modules(*SOURCE).items():
        first = (ast.get_docstring(tree(path)) or "").partition("\n\n")[0]
        if re.search(r"\bpure\b", first, re.I) or name in ("bridge.model", "bridge.errors"):
            said[name] = path
    return said


def test_what_calls_itself_pure_does_no_input_and_output() -> None:
    found = pure()
    assert len(found) >= 60, "the word is not found any more"
    for name, path in found.items():
        roots = {other.partition(".")[0] for other in imported(name, path)}
        assert not roots & INPUT_AND_OUTPUT, f"{name} is pure and imports {roots & INPUT_AND_OUTPUT}"


# ---- names


def test_no_two_public_classes_have_one_name() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for name, path in modules(*SOURCE).items():
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(name)
    assert {name for name, where in places.items() if len(where) > 1} == NAMES_OF_TWO_CLASSES


def test_no_file_is_named_like_a_module_of_the_standard_library() -> None:
    standard = {n for n in sys.stdlib_module_names if not n.startswith("_")}
    assert [short(p) for p in modules(*ALL).values() if p.stem in standard] == []


def test_nothing_below_tests_is_named_like_a_package_of_ours() -> None:
    parts = {
        part for path in modules("tests").values() for part in path.relative_to(ROOT / "tests").with_suffix("").parts
    }
    assert not parts & {"bridge", "appservice"}


# ---- the page


def drawn() -> str:
    """The tree of ARCHITECTURE.md: a room ends in ``/``; ``·`` stands between names, ``…`` for more of them."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    return text.partition("## The tree")[2].partition("```\n")[2].partition("```")[0]


def test_the_page_draws_every_room_and_every_module_that_stands_beside_rooms() -> None:
    page = drawn()
    missing = {
        short(path.parent)
        for path in modules(*SOURCE, "liaison", "deploy").values()
        if f"{path.parent.name}/" not in page
    }
    for name, path in modules(*SOURCE).items():
        beside = room(name) == name and not path.stem.startswith("__")
        if beside and not re.search(rf"(?<!\w){path.stem}(?![\w/])", page):
            missing.add(name)
    assert missing == set()


def test_what_the_page_draws_is_there() -> None:
    there = {path.stem for path in modules(*SOURCE, "liaison", "deploy").values()}
    there |= {
        p.name
        for root in (*SOURCE, "liaison", "deploy")
        for p in (ROOT / root).rglob("*")
        if "node_modules" not in p.parts
    }
    names = re.findall(r"([\w.]+)/?(?= ·| …)|(?<=· )([\w.]+)", drawn())
    assert {name for pair in names for name in pair if name} - there - {p.removesuffix(".yaml") for p in there} == set()
