"""Prompt files that are dropped into a campaign."""

import tempfile
from pathlib import Path

import pytest

from twig_assets.prompts import PromptError, read_prompts
from twig_assets.prompts.inbox import reject, take_in, taken_files, waiting_files
from twig_assets.prompts.prompt_files import PromptRow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "prompts.yaml").write_text("- an owl\n- a cat\n")
    return tmp_path


def drop(folder: Path, name: str, content: str) -> Path:
    path = folder / "inbox" / name
    path.write_text(content)
    return path


def test_files_come_to_the_end_in_the_order_in_which_they_are_taken_in(folder: Path) -> None:
    for name, text in (("zebra.yaml", "- a zebra\n"), ("Ant Hill!.yml", "- an ant\n"), ("b.csv", "text\na bee\n")):
        take_in(drop(folder, name, text), folder)
    assert [row.text for row in read_prompts(folder)] == ["an owl", "a cat", "a zebra", "an ant", "a bee"]
    assert [path.name for path in taken_files(folder)] == [
        "prompts_inbox_000001_zebra.yaml",
        "prompts_inbox_000002_ant-hill.yaml",
        "prompts_inbox_000003_b.csv",
    ]
    assert waiting_files(folder) == []


def test_a_campaign_without_prompts_can_begin_with_a_dropped_file(folder: Path) -> None:
    (folder / "prompts.yaml").unlink()
    take_in(drop(folder, "first.yaml", "- a zebra\n"), folder)
    assert [row.text for row in read_prompts(folder)] == ["a zebra"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("twice.yaml", "- a zebra\n- an owl\n", "inbox/twice.yaml:2: text: 'an owl' is already in "),
        ("torn.yaml", "- 'a zebra\n", "inbox/torn.yaml"),
        ("empty.csv", "", "inbox/empty.csv"),
        ("notes.txt", "a zebra\n", "come as .yaml or .csv"),
    ],
)
def test_a_bad_file_is_refused_with_its_own_name_and_nothing_changes(
    folder: Path,
    name: str,
    content: str,
    message: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scratch = str(tmp_path_factory.mktemp("scratch"))
    monkeypatch.setattr(tempfile, "tempdir", scratch)
    path = drop(folder, name, content)
    with pytest.raises(PromptError) as refused:
        take_in(path, folder)
    assert message in str(refused.value)
    assert scratch not in str(refused.value)
    assert path.exists()
    assert [row.text for row in read_prompts(folder)] == ["an owl", "a cat"]


def test_a_file_whose_prompts_are_not_to_be_drawn_is_refused_and_the_campaigns_own_are_not_asked_about(
    folder: Path,
) -> None:
    asked = []

    def check(rows: list[PromptRow]) -> None:
        asked.extend(row.text for row in rows)
        raise PromptError([f"{rows[0].file}:{rows[0].line}: text: not this"])

    path = drop(folder, "new.yaml", "- a zebra\n- a bee\n")
    with pytest.raises(PromptError, match=r"inbox/new.yaml:1: text: not this"):
        take_in(path, folder, check)
    assert asked == ["a zebra", "a bee"]
    assert path.exists()


def test_a_file_that_would_shift_older_prompts_is_refused(folder: Path) -> None:
    (folder / "prompts_zoo.yaml").write_text("- a lion\n")
    with pytest.raises(PromptError, match="prompts_zoo.yaml would come after it"):
        take_in(drop(folder, "new.yaml", "- a zebra\n"), folder)


def test_a_refused_file_lies_beside_its_reason_and_displaces_no_other(folder: Path) -> None:
    places = [reject(drop(folder, "bad.yaml", f"bad {n}"), f"reason {n}") for n in range(2)]
    assert [place.read_text() for place in places] == ["bad 0", "bad 1"]
    assert [place.with_name(f"{place.name}.error.txt").read_text() for place in places] == ["reason 0\n", "reason 1\n"]
    assert waiting_files(folder) == []


def test_hidden_files_and_folders_are_passed_over(folder: Path) -> None:
    drop(folder, ".partial.yaml", "- a zebra\n")
    assert waiting_files(folder) == []
    assert waiting_files(folder / "elsewhere") == []


def test_a_file_without_a_prompt_is_refused(folder: Path) -> None:
    with pytest.raises(PromptError, match="holds no prompt; write one into it, or delete it"):
        take_in(drop(folder, "empty.yaml", ""), folder)
