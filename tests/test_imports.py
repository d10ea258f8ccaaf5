"""The arrows of the design, held against every import: see CONTRIBUTING.md for the picture."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.import_graph import PACKAGES, ROOT, Import, all_imports, import_circles, loaded_with, module_files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILES = module_files()
IMPORTS = all_imports()
ARROWS = {
    "weights": {"weights"},
    "server": {"server", "weights"},
    "trainer": {"trainer", "weights"},
    "plugin_gimp": {"plugin_gimp"},
    "plugin_krita": {"plugin_krita"},
}
# An installer runs in the package's own Python: it copies server/client/ and needs what both installers share.
INSTALLERS_MAY_IMPORT = re.compile(r"server\.(client|installed|plugins)(\.|$)")
# Modules that the editors' own interpreters run; all other modules of the two packages belong to the installers.
IN_EDITOR = re.compile(r"plugin_(gimp|krita)\.neural[_-]upscale(\.|$)")
EDITOR_PACKAGES = {"gi", "krita", "PyQt5", "PyQt6"}
# The command line forwards `install`, `uninstall` and `doctor` to the installers, when it is told to and not before.
COMMAND_LINE = re.compile(r"server\.(cli\.|http\.page$)")
COMMAND_LINE_MAY_REACH = re.compile(r"plugin_(gimp|krita)\.(installer|places|archive)(\.|$)")


def is_client(name: str) -> bool:
    return re.match(r"server\.client(\.|$)", name) is not None


def is_known_exception(each: Import) -> bool:
    if COMMAND_LINE.match(each.source) and COMMAND_LINE_MAY_REACH.match(each.target):
        return each.at_call
    is_installer = each.source.startswith("plugin_") and not IN_EDITOR.match(each.source)
    return is_installer and INSTALLERS_MAY_IMPORT.match(each.target) is not None


def foreign(each: Import) -> bool:
    return each.package not in PACKAGES and each.package not in sys.stdlib_module_names


def test_packages_import_each_other_only_along_the_arrows() -> None:
    inside = [each for each in IMPORTS if each.package in PACKAGES]
    wrong = [each for each in inside if each.package not in ARROWS[each.source.partition(".")[0]]]
    assert [str(each) for each in wrong if not is_known_exception(each)] == []


def test_weights_import_torch_and_safetensors_and_in_use_what_builds_foreign_networks() -> None:
    of_weights = [each for each in IMPORTS if each.source.startswith("weights") and foreign(each)]
    assert {each.package for each in of_weights if not (each.at_call or each.only_for_types)} == {
        "torch",
        "safetensors",
    }
    assert {each.package for each in of_weights} == {"torch", "safetensors", "spandrel", "torchvision"}


def test_the_client_imports_the_standard_library_and_its_own_parts_only() -> None:
    of_client = [each for each in IMPORTS if is_client(each.source)]
    assert of_client
    wrong = [each for each in of_client if each.package not in sys.stdlib_module_names and not is_client(each.target)]
    assert [str(each) for each in wrong] == []


def test_plugins_import_their_editor_the_standard_library_and_their_own_folder_only() -> None:
    in_editor = [each for each in IMPORTS if IN_EDITOR.match(each.source) and not each.only_for_types]
    assert in_editor
    own = re.compile(r"plugin_(gimp|krita)\.neural_upscale(\.|$)|neural_upscale(\.|$)")
    known = EDITOR_PACKAGES | sys.stdlib_module_names
    wrong = [each for each in in_editor if each.package not in known and not own.match(each.target)]
    assert [str(each) for each in wrong] == []


def test_a_module_that_a_plugin_imports_lies_in_its_folder_or_is_copied_there() -> None:
    missing = []
    for each in IMPORTS:
        own = re.match(r"(plugin_(gimp|krita)\.neural_upscale)\.(\w+)", each.target)
        if own and IN_EDITOR.match(each.source):
            here, name = FILES[own.group(1)].parent, own.group(3)
            known = name == "client" or (here / name).is_dir() or (here / f"{name}.py").exists()
            missing += [] if known else [str(each)]
    assert missing == []


@pytest.mark.parametrize("rule", [IN_EDITOR, COMMAND_LINE, COMMAND_LINE_MAY_REACH, INSTALLERS_MAY_IMPORT])
def test_every_part_of_a_rule_names_a_module_that_is_there(rule: re.Pattern[str]) -> None:
    """A module that is renamed must not leave a rule behind that holds for nothing."""
    unmatched = [each for each in _alternatives(rule.pattern) if not any(re.match(each, name) for name in FILES)]
    assert unmatched == []


def _alternatives(pattern: str) -> list[str]:
    """Write a pattern's groups out, except for the optional ends: `a\\.(b|c)(\\.|$)` gives `a\\.b` and `a\\.c`."""
    pattern = pattern.removesuffix(r"(\.|$)")
    found = re.search(r"\(([^()]*)\)", pattern)
    if found is None:
        return [pattern]
    return [
        each
        for choice in found.group(1).split("|")
        for each in _alternatives(pattern[: found.start()] + choice + pattern[found.end() :])
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_has_an_import_circle(package: str) -> None:
    """Imports inside of functions count too, and those for types alone."""
    assert import_circles(package, FILES) == []


def test_no_module_has_both_the_routes_and_the_network() -> None:
    """Who serves HTTP is started before torch is there; who computes must not know that there is HTTP."""
    for name in FILES:
        if name.startswith("server") and name.rpartition(".")[2] not in ("__main__",):
            loaded = {each.partition(".")[0] for each in loaded_with(name, FILES)}
            assert not {"flask", "torch"} <= loaded, f"{name} loads both flask and torch"


def test_every_foreign_package_is_declared_and_an_optional_one_is_imported_only_in_use() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = _import_names(project["dependencies"])
    optional = _import_names([each for group in project["optional-dependencies"].values() for each in group])
    wrong = []
    for each in IMPORTS:
        if foreign(each) and not IN_EDITOR.match(each.source) and each.package not in needed:
            lazy = each.at_call or each.only_for_types
            wrong += [] if lazy and each.package in optional | {"torchvision"} else [str(each)]
    assert wrong == []


def _import_names(requirements: list[str]) -> set[str]:
    other = {"pillow": "PIL", "prometheus_client": "prometheus_client"}
    names = {re.split(r"[^\w-]", each)[0].lower().replace("-", "_") for each in requirements}
    return {other.get(name, name) for name in names}


WATCHER = """
import sys
import {name}
heavy = {{"torch", "flask", "waitress", "numpy", "requests"}}
seen = sorted({{each.partition(".")[0] for each in sys.modules}} & heavy)
if "torch" in seen:
    import torch
    assert not torch.cuda.is_initialized(), "a device was chosen"
    assert torch.get_default_device().type == "cpu"
sys.stderr.write(" ".join(seen))
"""


def imported(name: str, home: Path) -> set[str]:
    """Import a module in a fresh interpreter; fail when it prints or leaves a file; give what it loaded."""
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(home), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-B", "-W", "error", "-c", WATCHER.format(name=name)]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert list(home.iterdir()) == []
    return set(done.stderr.split())


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_prints_nothing_creates_nothing_and_chooses_no_device(package: str, tmp_path: Path) -> None:
    loaded = imported(package, tmp_path)
    assert not {"torch", "flask"} & loaded


@pytest.mark.parametrize(
    "name", ["server.client", "server.cli", "plugin_gimp.installer", "plugin_krita.installer", "weights.atomic"]
)
def test_client_command_line_and_installers_start_without_torch_flask_and_numpy(name: str, tmp_path: Path) -> None:
    assert imported(name, tmp_path) == set()


def test_a_name_that_a_package_resolves_in_use_counts_as_loaded() -> None:
    assert "torch" in {each.partition(".")[0] for each in loaded_with("weights.interpolation", FILES)}
    assert "weights.file_format" in loaded_with("trainer.export.onnx", FILES)
    assert "torch" not in {each.partition(".")[0] for each in loaded_with("weights.atomic", FILES)}


def test_the_routes_load_no_torch(tmp_path: Path) -> None:
    assert "torch" not in imported("server.http.app", tmp_path)
