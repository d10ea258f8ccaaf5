"""Reads which module imports which, from the source alone: nothing is executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The installers copy the client into both plug-ins; in the repository it is `server.client`.
COPIED_CLIENT = re.compile(r"plugin_(gimp|krita)\.neural_upscale\.client(?=\.|$)")
PACKAGES = ("weights", "server", "trainer", "plugin_gimp", "plugin_krita")


@dataclass(frozen=True)
class Import:
    """One import: `source` imports `target` (absolute name; of a module, or of a name in one).

    Attributes:
        source: the importing module, as `server.client`; a plug-in's program keeps its hyphen.
        target: what is imported, as `torch.nn` or `server.client`.
        line: where.
        at_call: it stands in a function, so that importing the module does not import the target.
        only_for_types: it stands under `if TYPE_CHECKING`, so that it never runs.
    """

    source: str
    target: str
    line: int
    at_call: bool
    only_for_types: bool

    @property
    def package(self) -> str:
        return self.target.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def module_files() -> dict[str, Path]:
    """Return every module of the project's packages: its dotted name → its file."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def all_imports() -> list[Import]:
    """Return every import of every module."""
    return [each for name, path in module_files().items() for each in imports_of(name, path)]


def imports_of(name: str, path: Path) -> Iterator[Import]:
    """Return the imports of one file; `from a import b` gives `a.b`, and the relative ones their absolute names."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from _within(tree, name, package, at_call=False, only_for_types=False)


def _within(node: ast.AST, name: str, package: str, *, at_call: bool, only_for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        for target in _targets(child, package):
            yield Import(name, target, child.lineno, at_call, only_for_types)  # type: ignore[attr-defined]
        inside = at_call or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for part, types in ((child.body, True), (child.orelse, only_for_types)):
                block = ast.Module(part, [])
                yield from _within(block, name, package, at_call=inside, only_for_types=types)
            continue
        yield from _within(child, name, package, at_call=inside, only_for_types=only_for_types)


def _targets(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.level == 0:
            return [f"{node.module}.{each.name}" for each in node.names]
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{base}.{each.name}" for each in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "import_module"):
        return [each.value for each in node.args[:1] if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return []


def loaded_with(name: str, files: dict[str, Path]) -> set[str]:
    """Return every module and foreign package that importing `name` loads, through the project's own modules."""
    loaded: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in loaded:
            continue
        loaded.add(current)
        parent = current.rpartition(".")[0]
        if parent:
            waiting.append(parent)  # importing a.b runs a
        if current not in files:
            continue
        for each in imports_of(current, files[current]):
            if not each.at_call and not each.only_for_types:
                waiting += [_module(each.target, files), *_lazily_imported(each.target, files)]
    return loaded


def _lazily_imported(target: str, files: dict[str, Path]) -> list[str]:
    """Return the modules behind a name that a package resolves when it is first used."""
    package = _module(target, files)
    if package not in files or "def __getattr__" not in files[package].read_text(encoding="utf-8"):
        return []
    lazy = [each.target for each in imports_of(package, files[package]) if each.only_for_types]
    name = target.removeprefix(f"{package}.")
    return [_module(each, files) for each in lazy if target == package or each.rpartition(".")[2] == name]


def import_circles(package: str, files: dict[str, Path]) -> list[list[str]]:
    """Return the groups of a package's modules that import each other in a circle, also in functions or for types."""
    inside = [name for name in files if name == package or name.startswith(f"{package}.")]
    arrows = {
        name: {_module(each.target, files) for each in imports_of(name, files[name])} & set(inside) - {name}
        for name in inside
    }
    reach = {name: _reachable(name, arrows) for name in inside}
    circles = {tuple(sorted(other for other in reach[name] if name in reach[other])) for name in inside}
    return [list(circle) for circle in sorted(circles) if len(circle) > 1]


def _reachable(start: str, arrows: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for each in arrows[waiting.pop()] - found:
            found.add(each)
            waiting.append(each)
    return found


def _module(target: str, files: dict[str, Path]) -> str:
    """Return the module that a target lives in: `server.client.Size` → `server.client`; a foreign name stays."""
    target = COPIED_CLIENT.sub("server.client", target)
    while target not in files and target.partition(".")[0] in PACKAGES and "." in target:
        target = target.rpartition(".")[0]
    return target
