import threading
from pathlib import Path

import pytest

from tests.hosts import editor_host as hosts
from tests.hosts.editor_host import EditorHost


@pytest.mark.gimp
@pytest.mark.krita
def test_both_editors_are_in_the_system(editor_host: EditorHost, tmp_path: Path) -> None:
    question = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "gimp", "krita"]
    versions = editor_host.run(tmp_path, question).must_succeed()
    assert "gimp 3." in versions.output
    assert "krita 1:5." in versions.output


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
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no root"):
        hosts.absent("no root")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no root"):
        hosts.absent("no root")
