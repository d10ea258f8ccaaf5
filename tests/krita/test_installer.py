"""The installer on made-up homes: every way in which Krita can be installed, kritarc, and taking away exactly that."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from plugin_krita import installer
from plugin_krita.archive import build
from plugin_krita.kritarc import with_plugin, without_plugin
from server.plugins.install import InstallError, Surroundings

INSIDE = "pykrita/neural_upscale/__init__.py"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


HOMES = {
    "native": ("linux", ".local/share/krita", ".config/kritarc"),
    "flatpak": ("linux", ".var/app/org.kde.krita/data/krita", ".var/app/org.kde.krita/config/kritarc"),
    "snap": ("linux", "snap/krita/current/.local/share/krita", "snap/krita/current/.config/kritarc"),
    "windows": ("win32", "AppData/Roaming/krita", "AppData/Local/kritarc"),
    "store": (
        "win32",
        "AppData/Local/Packages/49800Krita_abc/LocalCache/Roaming/krita",
        "AppData/Local/Packages/49800Krita_abc/LocalCache/Local/kritarc",
    ),
    "macos": ("darwin", "Library/Application Support/krita", "Library/Preferences/kritarc"),
    "app store": (
        "darwin",
        "Library/Containers/org.kde.krita/Data/Library/Application Support/krita",
        "Library/Containers/org.kde.krita/Data/Library/Preferences/kritarc",
    ),
}


@pytest.mark.parametrize("kind", HOMES)
def test_every_krita_is_found_installed_into_switched_on_and_cleared_again(kind: str, tmp_path: Path) -> None:
    platform, resources, settings = HOMES[kind]
    (tmp_path / resources).mkdir(parents=True)
    (tmp_path / settings).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / settings).write_text("[main]\nkept=yes\n", encoding="utf-8")
    (tmp_path / resources / "own.txt").write_text("the user's")
    before = tree(tmp_path)
    around = Surroundings(tmp_path, platform)
    told = installer.install(around=around)
    assert len(told) == 1
    assert "installed into" in told[0]
    assert (tmp_path / resources / INSIDE).is_file()
    assert (tmp_path / resources / "pykrita" / "neural_upscale" / "client" / "api.py").is_file()
    assert (tmp_path / resources / "actions" / "neural_upscale.action").is_file()
    assert "[python]\nenable_neural_upscale=true\n" in (tmp_path / settings).read_text(encoding="utf-8")
    record = json.loads((tmp_path / resources / installer.RECORD).read_text(encoding="utf-8"))
    assert {"command", "runtime", "log", "version"} <= set(record)
    assert installer.install(around=around) == told, "twice is once"
    assert "removed from" in installer.uninstall(around=around)[0]
    assert {name: data for name, data in tree(tmp_path).items() if name != settings} == {
        name: data for name, data in before.items() if name != settings
    }
    assert "neural_upscale" not in (tmp_path / settings).read_text(encoding="utf-8")
    assert "not installed" in installer.uninstall(around=around)[0]


def test_all_kritas_of_a_user_are_served(tmp_path: Path) -> None:
    for kind in ("native", "flatpak", "snap"):
        (tmp_path / HOMES[kind][1]).mkdir(parents=True)
    assert len(installer.install(around=Surroundings(tmp_path, "linux"))) == 3
    assert all((tmp_path / HOMES[kind][1] / INSIDE).is_file() for kind in ("native", "flatpak", "snap"))


def test_folders_named_by_the_environment_win(tmp_path: Path) -> None:
    (tmp_path / "data" / "krita").mkdir(parents=True)
    names = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    installer.install(around=Surroundings(tmp_path / "home", "linux", names))
    assert (tmp_path / "data" / "krita" / INSIDE).is_file()
    assert "enable_neural_upscale=true" in (tmp_path / "config" / "kritarc").read_text()


def test_a_krita_that_was_never_started_is_found_by_its_program(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "krita"
    program.parent.mkdir()
    program.touch(mode=0o755)
    told = installer.install(around=Surroundings(tmp_path, "linux", {"PATH": str(program.parent)}))
    assert "native" in told[0]


def test_without_a_krita_it_says_what_to_do_and_writes_nothing(tmp_path: Path) -> None:
    assert installer.install(around=Surroundings(tmp_path, "linux")) == [installer.NONE_FOUND]
    assert "--to" in installer.NONE_FOUND
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("named", ["pykrita", "resources"])
def test_a_named_folder_is_pykrita_or_the_resource_folder_above_it(named: str, tmp_path: Path) -> None:
    resources = tmp_path / "krita"
    to = resources / "pykrita" if named == "pykrita" else resources
    told = installer.install(to, around=Surroundings(tmp_path / "home", "linux"))
    assert (resources / INSIDE).is_file()
    assert "Python Plugin Manager" in told[0]
    installer.uninstall(to, around=Surroundings(tmp_path / "home", "linux"))
    assert tree(tmp_path) == {}


def test_a_named_folder_of_a_known_krita_is_switched_on_too(tmp_path: Path) -> None:
    (tmp_path / ".local/share/krita/pykrita").mkdir(parents=True)
    told = installer.install(tmp_path / ".local/share/krita/pykrita", around=Surroundings(tmp_path, "linux"))
    assert "switched on" in told[0]


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".local/share/krita").mkdir(parents=True)
    assert "would install" in installer.install(dry_run=True, around=Surroundings(tmp_path, "linux"))[0]
    assert tree(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "krita").write_text("a file, no folder")
    with pytest.raises(InstallError, match="cannot be written"):
        installer.install(tmp_path / "krita" / "pykrita", around=Surroundings(tmp_path, "linux"))


def test_a_file_that_the_user_added_survives(tmp_path: Path) -> None:
    resources = tmp_path / "krita"
    installer.install(resources / "pykrita", around=Surroundings(tmp_path, "linux"))
    (resources / "pykrita" / "neural_upscale" / "notes.txt").write_text("mine")
    installer.uninstall(resources / "pykrita", around=Surroundings(tmp_path, "linux"))
    assert list(tree(tmp_path)) == ["krita/pykrita/neural_upscale/notes.txt"]


@pytest.mark.parametrize(
    "text",
    ["", "[main]\na=1\n", "[python]\nenable_other=true\n", "[a]\nx=ü\n\n[python]\nenable_other=false\n[z]\ny=1\n"],
)
def test_kritarc_keeps_every_other_line(text: str) -> None:
    changed = with_plugin(text, "neural_upscale")
    lines = changed.splitlines()
    assert lines.count("enable_neural_upscale=true") == 1
    section = lines.index("[python]")
    assert "enable_neural_upscale=true" in lines[section:]
    assert [line for line in lines if line in text.splitlines()] == text.splitlines()
    assert with_plugin(changed, "neural_upscale") == changed
    assert (
        without_plugin(changed, "neural_upscale").replace("[python]\n", "").strip()
        == text.replace("[python]\n", "").strip()
    )


def test_a_switch_that_stands_on_false_is_turned(tmp_path: Path) -> None:
    changed = with_plugin("[python]\nenable_neural_upscale=false\n", "neural_upscale")
    assert changed == "[python]\nenable_neural_upscale=true\n"


def test_the_zip_holds_what_kritas_importer_looks_for(tmp_path: Path) -> None:
    first, second = build(tmp_path / "a.zip").read_bytes(), build(tmp_path / "b.zip").read_bytes()
    assert first == second
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = set(archive.namelist())
    assert {"neural_upscale/", "neural_upscale.desktop", "neural_upscale.action"} <= names
    assert {f"neural_upscale/{name}" for name in ("__init__.py", "client/api.py", "Manual.html")} <= names
    assert not any("__pycache__" in name or name.endswith("install.json") for name in names)


def test_kritarc_of_windows_keeps_its_line_ends(tmp_path: Path) -> None:
    (tmp_path / "AppData/Roaming/krita").mkdir(parents=True)
    settings = tmp_path / "AppData/Local/kritarc"
    settings.parent.mkdir(parents=True)
    before = b"[main]\r\nkept=yes\r\n"
    settings.write_bytes(before)
    around = Surroundings(tmp_path, "win32")
    installer.install(around=around)
    assert settings.read_bytes() == before + b"\r\n[python]\r\nenable_neural_upscale=true\r\n"
    installer.uninstall(around=around)
    assert settings.read_bytes().startswith(before)
    assert b"enable" not in settings.read_bytes()


def test_the_resource_folder_that_the_user_chose_in_krita_is_used(tmp_path: Path) -> None:
    (tmp_path / "AppData/Roaming/krita").mkdir(parents=True)
    settings = tmp_path / "AppData/Local/kritarc"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"ResourceDirectory={tmp_path / 'other disk'}\n[main]\n", encoding="utf-8")
    installer.install(around=Surroundings(tmp_path, "win32"))
    assert (tmp_path / "other disk" / INSIDE).is_file()
    assert not list((tmp_path / "AppData/Roaming/krita").iterdir())


@pytest.mark.parametrize(
    ("platform", "program"),
    [("win32", "Krita (x64)/bin/krita.exe"), ("darwin", "Applications/krita.app/Contents/MacOS/krita")],
)
def test_a_krita_elsewhere_that_was_never_started_is_found_by_its_program(
    tmp_path: Path, platform: str, program: str
) -> None:
    (tmp_path / program).parent.mkdir(parents=True)
    (tmp_path / program).touch()
    around = Surroundings(tmp_path, platform, {"PROGRAMFILES": str(tmp_path)})
    assert "switched on" in installer.install(around=around)[0]
