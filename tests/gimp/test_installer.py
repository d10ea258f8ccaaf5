"""The installer on made-up machines: it finds every GIMP 3, writes what the plug-in needs, and removes exactly that."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from plugin_gimp.installer import NONE_FOUND, install, plugin_files, uninstall
from plugin_gimp.places import find_places
from server.plugins.install import InstallError, Surroundings

PLACES = {
    "native": ("linux", {}, ".config/GIMP/3.0"),
    "native with XDG_CONFIG_HOME": ("linux", {"XDG_CONFIG_HOME": "{home}/settings"}, "settings/GIMP/3.2"),
    "Flatpak": ("linux", {}, ".var/app/org.gimp.GIMP/config/GIMP/3.0"),
    "Snap": ("linux", {}, "snap/gimp/current/.config/GIMP/3.0"),
    "macOS": ("darwin", {}, "Library/Application Support/GIMP/3.0"),
    "Windows": ("win32", {"APPDATA": "{home}/AppData/Roaming"}, "AppData/Roaming/GIMP/3.0"),
    "Windows without APPDATA": ("win32", {}, "AppData/Roaming/GIMP/3.0"),
    "Microsoft Store": ("win32", {}, "AppData/Local/Packages/GIMP.43237_x/LocalCache/Roaming/GIMP/3.0"),
}


def machine(home: Path, platform: str = "linux", **environment: str) -> Surroundings:
    return Surroundings(home, platform, {"PATH": "", **{k: v.format(home=home) for k, v in environment.items()}})


@pytest.mark.parametrize("kind", PLACES)
def test_every_kind_of_gimp_is_found_by_its_folder(tmp_path: Path, kind: str) -> None:
    platform, environment, folder = PLACES[kind]
    (tmp_path / folder).mkdir(parents=True)
    found = find_places(machine(tmp_path, platform, **environment))
    assert [each.plug_ins for each in found] == [tmp_path / folder / "plug-ins"]


def test_every_version_and_every_kind_at_once(tmp_path: Path) -> None:
    for folder in (
        ".config/GIMP/2.10",
        ".config/GIMP/3.0",
        ".config/GIMP/3.2",
        ".var/app/org.gimp.GIMP/config/GIMP/3.0",
    ):
        (tmp_path / folder).mkdir(parents=True)
    kinds = [each.kind for each in find_places(machine(tmp_path))]
    assert kinds == ["3.0, native or AppImage", "3.2, native or AppImage", "3.0, Flatpak"]


@pytest.mark.parametrize(
    ("program", "link", "version"),
    [("gimp-3.0", "", "3.0"), ("gimp-3.2", "", "3.2"), ("gimp-3.2", "gimp", "3.2"), ("gimp-3", "", "3.0")],
)
def test_a_gimp_that_was_never_started_is_found_by_its_program_in_its_own_version(
    tmp_path: Path, program: str, link: str, version: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "programs").mkdir()
    real = (tmp_path / ("programs" if link else "bin")) / program
    real.touch(mode=0o755)
    if link:
        (tmp_path / "bin" / link).symlink_to(real)
    found = find_places(machine(tmp_path, PATH=str(tmp_path / "bin")))
    assert [each.plug_ins for each in found] == [tmp_path / f".config/GIMP/{version}/plug-ins"]
    assert [each.kind for each in found] == [f"{version}, native or AppImage"]


def test_gimp_2_alone_is_not_taken_for_gimp_3(tmp_path: Path) -> None:
    (tmp_path / ".config/GIMP/2.10").mkdir(parents=True)
    program = tmp_path / "bin" / "gimp"
    program.parent.mkdir()
    program.touch(mode=0o755)
    assert find_places(machine(tmp_path, PATH=str(program.parent))) == []


def test_a_folder_named_by_gimps_own_variable_is_found(tmp_path: Path) -> None:
    found = find_places(machine(tmp_path, GIMP3_DIRECTORY="{home}/own"))
    assert [each.plug_ins for each in found] == [tmp_path / "own" / "plug-ins"]


def test_without_gimp_it_says_so_and_writes_nothing(tmp_path: Path) -> None:
    assert install(around=machine(tmp_path)) == [NONE_FOUND]
    assert uninstall(around=machine(tmp_path)) == ["No GIMP 3 was found, so there is no plug-in to remove."]
    assert list(tmp_path.iterdir()) == []


def test_install_writes_the_program_the_client_and_the_record(tmp_path: Path) -> None:
    (tmp_path / ".config/GIMP/3.0").mkdir(parents=True)
    told = install(around=machine(tmp_path))
    assert len(told) == 1
    assert told[0].startswith("GIMP (3.0, native or AppImage): installed into ")
    folder = tmp_path / ".config/GIMP/3.0/plug-ins/neural-upscale"
    assert os.access(folder / "neural-upscale.py", os.X_OK)
    assert {each.name for each in (folder / "neural_upscale").iterdir()} >= {"client", "run.py", "dialog"}
    record = json.loads((folder / "install.json").read_text())
    assert Path(record["command"][0]).is_absolute()
    assert {"serve", "server"} & set(record["command"])
    assert Path(record["runtime"]).is_absolute()
    assert Path(record["log"]).is_absolute()
    assert record["version"]


def test_install_again_replaces_and_uninstall_removes_exactly_that(tmp_path: Path) -> None:
    theirs = tmp_path / "other-plug-in" / "other-plug-in.py"
    theirs.parent.mkdir()
    theirs.touch()
    for _ in range(2):
        install(to=tmp_path)
    folder = tmp_path / "neural-upscale"
    cache = folder / "neural_upscale" / "__pycache__"
    cache.mkdir()
    (cache / "run.cpython-313.pyc").touch()
    assert uninstall(to=tmp_path) == [f"GIMP (3, named folder): removed from {folder}."]
    assert [each.name for each in tmp_path.rglob("*")] == ["other-plug-in", "other-plug-in.py"]
    assert uninstall(to=tmp_path) == [f"GIMP (3, named folder): not installed in {folder}."]


def test_files_of_an_older_installation_that_the_new_one_has_not_are_removed(tmp_path: Path) -> None:
    install(to=tmp_path)
    package, record = tmp_path / "neural-upscale" / "neural_upscale", tmp_path / "neural-upscale" / "install.json"
    told = json.loads(record.read_text())
    older = ["neural-upscale/neural_upscale/funnel.py", "neural-upscale/neural_upscale/window/dialog.py"]
    (package / "window").mkdir()
    for name in older:
        (tmp_path / name).touch()
    (package / "notes.py").touch()
    (tmp_path.parent / "beside.py").touch()
    record.write_text(json.dumps({**told, "files": [*told["files"], *older, "../beside.py"]}))
    install(to=tmp_path)
    assert not (package / "funnel.py").exists()
    assert not (package / "window").exists()
    assert (package / "run.py").exists()
    assert (package / "notes.py").exists(), "the user's own file, which no record lists"
    assert (tmp_path.parent / "beside.py").exists(), "a record may name no file outside of the plug-ins folder"
    assert json.loads(record.read_text()) == told


def test_an_unreadable_record_of_an_older_installation_is_replaced(tmp_path: Path) -> None:
    install(to=tmp_path)
    record = tmp_path / "neural-upscale" / "install.json"
    before = record.read_text()
    record.write_text("{}")
    install(to=tmp_path)
    assert record.read_text() == before


def test_uninstall_leaves_what_the_user_put_beside(tmp_path: Path) -> None:
    install(to=tmp_path)
    notes = tmp_path / "neural-upscale" / "notes.txt"
    notes.touch()
    uninstall(to=tmp_path)
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [notes]


def test_a_dry_run_only_talks(tmp_path: Path) -> None:
    told = install(to=tmp_path, dry_run=True)
    assert told == [f"GIMP (3, named folder): would install into {tmp_path / 'neural-upscale'}."]
    assert list(tmp_path.iterdir()) == []
    install(to=tmp_path)
    assert uninstall(to=tmp_path, dry_run=True) == [
        f"GIMP (3, named folder): would be removed from {tmp_path / 'neural-upscale'}."
    ]
    assert (tmp_path / "neural-upscale" / "install.json").exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "neural-upscale").touch()  # a file where a folder has to be
    with pytest.raises(InstallError, match=r"cannot be written .*--to"):
        install(to=tmp_path)


def test_what_is_copied_is_what_the_plug_in_imports() -> None:
    names = {name.removeprefix("neural-upscale/").removeprefix("neural_upscale/") for name in plugin_files()}
    assert {"neural-upscale.py", "registration.py", "client/api.py"} <= names
    assert "installer.py" not in names


@pytest.mark.parametrize(
    ("platform", "programs", "version"),
    [
        ("win32", ["GIMP 3/bin/gimp-3.exe", "GIMP 3/bin/gimp-3.2.exe"], "3.2"),
        ("win32", ["GIMP 3/bin/gimp-3.10.exe", "GIMP 3/bin/gimp-3.2.exe"], "3.10"),
        ("win32", ["GIMP 3/bin/gimp-3.exe"], "3.0"),
        ("darwin", ["Applications/GIMP.app/Contents/MacOS/gimp-3.2"], "3.2"),
        ("darwin", ["Applications/GIMP.app/Contents/MacOS/gimp"], "3.0"),
    ],
)
def test_a_gimp_elsewhere_that_was_never_started_is_found_in_its_own_version(
    tmp_path: Path, platform: str, programs: list[str], version: str
) -> None:
    for each in programs:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).touch()
    (place,) = find_places(Surroundings(tmp_path, platform, {"PROGRAMFILES": str(tmp_path)}))
    assert place.plug_ins.parent.name == version
