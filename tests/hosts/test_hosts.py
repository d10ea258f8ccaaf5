import subprocess
import threading
from pathlib import Path

import pytest

from tests.hosts import editor_host as hosts
from tests.hosts.editor_host import RECIPE, SUITE, EditorHost

EDITORS = {"trixie": {"gimp": "3.0", "krita": "1:5.2"}, "forky": {"gimp": "3.2", "krita": "1:5.3"}}
EDITORS["krita6"] = {"krita": "1:6."}


@pytest.mark.gimp
@pytest.mark.krita
@pytest.mark.versions
def test_the_editors_of_the_suite_are_in_the_system(editor_host: EditorHost, tmp_path: Path) -> None:
    question = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *EDITORS[SUITE]]
    versions = editor_host.run(tmp_path, question).must_succeed()
    for editor, version in EDITORS[SUITE].items():
        assert f"{editor} {version}" in versions.output


@pytest.mark.gimp
def test_exit_status_output_and_variables_come_through(editor_host: EditorHost, tmp_path: Path) -> None:
    script = 'echo "$COLOUR" > /job/answer; echo said; exit 5'
    outcome = editor_host.run(tmp_path, ["sh", "-c", script], variables={"COLOUR": "light blue"})
    assert (outcome.code, outcome.output) == (5, "said\n")
    assert (tmp_path / "answer").read_text() == "light blue\n"


@pytest.mark.gimp
def test_two_builds_at_once_give_one_system(editor_host: EditorHost) -> None:
    threads = [threading.Thread(target=hosts.build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_a_missing_host_skips_with_its_reason_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "SUITE", hosts.STABLE)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no root"):
        hosts.absent("no root")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no root"):
        hosts.absent("no root")


def test_a_newer_suite_that_cannot_be_had_skips_in_ci_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "SUITE", "forky")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.skip.Exception, match="the archive is broken"):
        hosts.absent("the archive is broken")


def test_an_unknown_suite_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "HOSTS_SUITE": "woody"}
    done = subprocess.run([RECIPE, "build"], env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "trixie, forky or krita6" in done.stderr
