"""The index of a campaign's works stays in line with their folder."""

import shutil
from pathlib import Path

import pytest

from tests.unit.similarity.index.conftest import save_drawings
from twig_assets.campaign import Campaign
from twig_assets.campaign import works_index as module
from twig_assets.campaign.works_index import is_indexed, works_index
from twig_assets.similarity.corpus.references import EmptyCorpusError
from twig_assets.similarity.index.reader import CorpusIndex


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    (tmp_path / "demo").mkdir()
    made = Campaign(name="demo", folder=tmp_path / "demo", title="Demo")
    save_drawings(made.references_folder, range(3))
    made.policy_file.write_text("corpus: {indexed_from: 2}\nsscd_network: none\n")
    return made


def said(campaign: Campaign) -> dict[str, str]:
    index = CorpusIndex(works_index(campaign, lambda done, total: None))
    texts = [index.text(row) for row in range(len(index)) if not index.removed[row]]
    return {Path(text.path).name: text.title for text in texts}


def test_the_policy_says_from_how_many_works_on_there_is_an_index(campaign: Campaign) -> None:
    assert [is_indexed(campaign, count) for count in (1, 2, 3)] == [False, True, True]


def test_new_gone_moved_and_renamed_works_are_so_in_the_index(campaign: Campaign) -> None:
    folder = campaign.references_folder
    assert said(campaign) == {f"work-{i:02}.png": f"work-{i:02}" for i in range(3)}
    save_drawings(folder, range(3, 4))
    (folder / "work-01.png").unlink()
    first, last = folder / "work-00.png", folder / "work-02.png"
    swapped = first.read_bytes(), last.read_bytes()
    first.write_bytes(swapped[1])
    last.write_bytes(swapped[0])
    (folder / "references.csv").write_text("file,title,rights_holder,licence\nwork-03.png,Fourth,X,none\n")
    (folder / "text.png").write_text("no picture")
    assert said(campaign) == {"work-00.png": "work-00", "work-02.png": "work-02", "work-03.png": "Fourth"}
    index = CorpusIndex(works_index(campaign, lambda done, total: None))
    assert [Path(work.path).name for work in index.manifest.unread] == ["text.png"]
    for row in range(len(index)):
        if not index.removed[row]:
            assert index.picture(row).pixels.shape == (96, 96, 3)
    (folder / "text.png").unlink()
    assert CorpusIndex(works_index(campaign, lambda done, total: None)).manifest.unread == ()


def test_nothing_is_read_again_while_the_files_are_the_same(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Path] = []
    kept = module.keep_in_line
    monkeypatch.setattr(module, "keep_in_line", lambda folder, *rest: (calls.append(folder), kept(folder, *rest)))
    for _ in range(2):
        said(campaign)
    assert len(calls) == 1
    campaign.policy_file.write_text("sscd_network: none\nhog_cosine_at_least: 0.9\n")
    said(campaign)
    assert len(calls) == 1
    save_drawings(campaign.references_folder, range(4))
    said(campaign)
    assert len(calls) == 2


def test_an_index_that_is_damaged_or_gone_is_made_again(campaign: Campaign) -> None:
    said(campaign)
    folder = works_index(campaign, lambda done, total: None)
    next(folder.glob("segments/*/pixels.npy")).write_bytes(b"")
    (folder / "listing").unlink()
    assert len(said(campaign)) == 3
    shutil.rmtree(folder)
    assert len(said(campaign)) == 3


def test_a_folder_without_works_is_refused(campaign: Campaign) -> None:
    said(campaign)
    for path in campaign.references_folder.iterdir():
        path.unlink()
    with pytest.raises(EmptyCorpusError):
        said(campaign)
