"""The documents tell the truth: what they name exists, and every command and flag is in them."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests.docs import figures, reference
from tests.import_graph import PACKAGES, ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LONG_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
# Flags of other programs: curl, pip, mypy, systemctl, ray, torchrun, tensorboard.
FOREIGN_FLAGS = {"--fail", "--data-binary", "--cacert", "--user", "--strict", "--head", "--address", "--num-cpus"}
FOREIGN_FLAGS |= {"--generate", "--nproc-per-node", "--nnodes", "--max-restarts", "--rdzv-backend", "--rdzv-endpoint"}
FOREIGN_FLAGS |= {"--short", "--rdzv-id", "--logdir", "--help", "--no-deps", "--no-index", "--only-binary", "--target"}
FOREIGN_FLAGS |= {"--torch-backend", "--force", "--platform"}


@cache
def known() -> dict[str, dict[str, tuple[str, str]]]:
    return {command: reference.flags_of(reference.help_of(command)) for command in reference.commands()}


def documented() -> dict[str, set[str]]:
    """Read docs/commands.md: command → its flags."""
    sections = re.split(r"^## ", reference.PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        section.partition("\n")[0]: set(re.findall(r"^\| `(?:-\w, )?(--[\w-]+)", section, re.MULTILINE))
        for section in sections
    }


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    assert set(documented()) == set(known()), "run: make docs"


def test_every_flag_is_documented_and_every_documented_flag_exists() -> None:
    assert documented() == {command: set(flags) for command, flags in known().items()}, "run: make docs"


def test_every_flag_says_what_it_does() -> None:
    silent = [
        f"{command} {flag}" for command, flags in known().items() for flag, (_, told) in flags.items() if not told
    ]
    assert silent == []


@cache
def flags_of_scripts() -> set[str]:
    """Return the flags of the benchmarks, which are no sub-commands."""
    scripts = (ROOT / "tests" / "benchmarks").glob("*.py")
    return {flag for path in scripts for flag in re.findall(r'"(--[a-z][a-z0-9-]+)"', path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_flags_in_the_text_exist(path: Path) -> None:
    written = " ".join(how for flags in known().values() for how, _ in flags.values())
    every = set(LONG_FLAG.findall(written)) | FOREIGN_FLAGS | flags_of_scripts()
    text = path.read_text(encoding="utf-8")
    assert {flag for flag in LONG_FLAG.findall(text) if flag not in every} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    missing = []
    for target in re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text):
        if not re.match(r"https?:|mailto:", target) and not (path.parent / target).exists():
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_named_in_the_text_exist(path: Path) -> None:
    """A word in code quotes that looks like a file of ours is one."""
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(rf"`((?:{'|'.join(PACKAGES)}|tests|docs|\.ci)/[\w./-]*\w)`", text))
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_map_in_contributing_names_every_folder() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folders = {f"tests/{each.name}" for each in (ROOT / "tests").iterdir() if each.is_dir() and any(each.glob("*.py"))}
    assert {name for name in {*PACKAGES, *folders} if f"{name}/" not in text} == set()


def test_no_document_names_a_folder_of_one_machine() -> None:
    for path in DOCUMENTS:
        assert re.findall(r"(?<![\w.~}])/(?:work|root|home/\w+)/", path.read_text(encoding="utf-8")) == [], path


@pytest.mark.parametrize("path", figures.PAGES, ids=lambda path: path.name)
def test_the_figures_of_quality_are_those_of_the_shipped_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert figures.PLACE.search(text)
    assert text == figures.filled(text, figures.shipped()), "run: make docs"


def test_a_measure_that_a_file_lacks_leaves_its_place_empty() -> None:
    without, whole = {"psnr": 30.0, "feature_loss": 551.3}, {"psnr": 30.0, "distance": 1.5, "feature_loss": 222.7}
    metadata = replace(
        figures.shipped()[0].metadata, metrics={"B100": {"all": {"bicubic": without, "generator": whole}}}
    )
    head, _, first, second = figures.further([figures.Shipped("new", metadata, 1)])
    assert head == "| B100 | perceptual distance ↓ | feature loss ↓ |"
    assert (first, second) == ("| bicubic |  | 551.3 |", "| `new` | 1.5 | 222.7 |")


def test_the_documents_form_one_whole() -> None:
    """Each page of docs/ is named in the index with a line on what it holds."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]
    assert [name for name in missing if f"]({name})" not in index] == []


def test_the_changelog_begins_with_this_version() -> None:
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version is not None
    assert newest is not None
    assert newest.group(1) == version.group(1)


def test_the_readme_begins_with_the_two_commands() -> None:
    screen = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:30]
    commands = [line.strip() for line in screen if re.match(r"^(    )?make \w+", line)]
    assert [command.split("#")[0].strip() for command in commands] == ["make run", "make test"]


def test_the_first_training_has_twenty_photos_with_names_of_their_own_at_a_commit() -> None:
    text = (ROOT / "docs" / "first-photos.md").read_text(encoding="utf-8")
    found = re.findall(r"https://github\.com/[\w/-]+/raw/[0-9a-f]{40}/\S+\.(?:jpg|png)(?=\))", text)
    assert len({address.rpartition("/")[2] for address in found}) == len(found) == 20
