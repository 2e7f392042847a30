"""The corpus of the campaign benchmark."""

from pathlib import Path

import numpy as np

from twig_assets.bench.campaigns.end_to_end.protected import CONCEPTS, LOGOS, art, logo, protected_art, write_corpus
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import held_out
from twig_assets.similarity import read_references


def test_the_corpus_is_the_planted_works_and_twelve_others_under_their_titles(tmp_path: Path) -> None:
    assert write_corpus(tmp_path / "works") == 36
    works, unreadable = read_references(tmp_path / "works")
    titles = {work.title for work in works}
    assert (len(works), list(unreadable)) == (36, [])
    assert {work.title for work in planted.TITLES + planted.WITH_CONTENT} < titles
    assert len({work.pixels.tobytes() for work in works}) == 36


def test_some_works_stand_on_plain_white_and_the_generator_saw_none_of_the_others() -> None:
    pictures = [*(art(number) for number in range(8)), *(logo(name) for name in LOGOS)]
    assert sum(np.all(picture[0] == 255) for picture in pictures) == 8
    assert set(protected_art()) <= held_out()
    assert not {name for name, _ in protected_art()} & {concept["target"] for concept in CONCEPTS}
    assert all(np.array_equal(art(number), art(number)) for number in range(8)), "drawn by seed"
