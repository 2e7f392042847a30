"""The corpora of the benchmark `detectors`."""

from pathlib import Path

import pytest

from twig_assets.bench.audit import copy_peers, copy_sets


def test_strangers_to_the_art_are_of_other_families() -> None:
    found = copy_sets.art()
    assert len(found.references) == len(found.groups)
    assert len(found.references) > len(found.strangers) > 100
    assert {picture.shape for picture in found.references + found.strangers} == {(64, 64, 3)}
    known = {picture.tobytes() for picture in found.references}
    assert not known & {picture.tobytes() for picture in found.strangers}


def test_missing_photographs_are_told_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(copy_sets.MissingPhotographsError, match="apt-get install gnome-backgrounds"):
        copy_sets.photographs([tmp_path])


def test_missing_peers_are_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_peers, "find_spec", lambda name: None)
    with pytest.raises(copy_peers.MissingPeersError, match="--no-deps imagededup"):
        copy_peers.hashers()
