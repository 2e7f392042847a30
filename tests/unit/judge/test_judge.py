"""What the embedded judge takes a prompt to ask for, and what it takes an image to show."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from twig_assets.judge import adherence_verdict
from twig_assets.judge.calibration import shipped_calibration
from twig_assets.judge.embedded import embedded_judge
from twig_assets.judge.identity import judge_sha256
from twig_assets.judge.shown import Shown
from twig_assets.judge.verdict import threshold_of
from twig_assets.judge.vocabulary import Asked
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import sprites, view


@pytest.mark.parametrize(
    ("prompt", "subjects"),
    [
        ("an owl in the style of noto, yellow background", ("owl",)),
        ("PENGUIN!!!", ("penguin",)),
        ("a pnguin, noto style", ("penguin",)),
        ("a rokcet in twemoji style", ("rocket",)),
        ("kitty sticker", ("cat face",)),
        ("an owl and a penguin", ("owl", "penguin")),
        ("a violin on the winter playbill", ("violin",)),
    ],
)
def test_it_knows_what_is_asked_for(prompt: str, subjects: tuple[str, ...]) -> None:
    assert embedded_judge().asked([prompt]) == [Asked(subjects)]


@pytest.mark.parametrize("prompt", ["a shoe", "a kitchen", "two green hills", *(work.title for work in planted.TITLES)])
def test_it_says_so_where_it_does_not_know_what_is_asked_for(prompt: str) -> None:
    [asked] = embedded_judge().asked([prompt])
    assert asked.subjects == ()
    assert asked.reason


def test_every_work_with_a_content_is_asked_for_by_that_content() -> None:
    asked = embedded_judge().asked([work.title for work in planted.WITH_CONTENT])
    assert [a.subjects for a in asked] == [(work.concept,) for work in planted.WITH_CONTENT]


def test_a_drawing_shows_its_own_name_and_not_another() -> None:
    rng = np.random.default_rng(3)
    names = ["penguin", "owl", "guitar", "octopus", "red apple"]
    pictures = [view(sprites()[name, "noto"], rng, (0.8, 0.9), "blue").image for name in names]
    right = embedded_judge().shown(pictures, [f"a {name}" for name in names])
    wrong = embedded_judge().shown(pictures, [f"a {name}" for name in [*names[1:], names[0]]])
    assert all(shown.margin > 0 for shown in right)
    assert all(shown.margin < 0 for shown in wrong)
    assert [shown.taken_for for shown in wrong] == names


def test_without_a_known_subject_there_is_no_margin() -> None:
    [shown] = embedded_judge().shown([np.zeros((64, 64, 3), np.uint8)], ["a shoe"])
    assert (shown.own, shown.other, shown.margin) == (None, None, None)
    assert adherence_verdict(shown.margin, 0.0) == "cannot_tell"


def test_what_is_kept_is_what_is_read_back() -> None:
    shown = Shown(Asked(("owl", "penguin")), 0.5, 0.25, "owl")
    assert Shown.of_scores(shown.as_scores()) == shown
    unknown = Shown(Asked((), "the judge knows none of its words"))
    assert Shown.of_scores(unknown.as_scores()) == unknown


@pytest.mark.parametrize(
    ("margin", "threshold", "verdict"),
    [(0.1, 0.1, "as_asked"), (0.09, 0.1, "not_as_asked"), (None, 0.1, "cannot_tell"), (0.1, None, "cannot_tell")],
)
def test_the_verdict_follows_from_margin_and_threshold(
    margin: float | None, threshold: float | None, verdict: str
) -> None:
    assert adherence_verdict(margin, threshold) == verdict


def test_the_threshold_leaves_out_the_share_that_is_asked_for() -> None:
    margins = [i / 100 for i in range(100)]
    assert threshold_of(margins, 0.15) == pytest.approx(0.15)
    assert threshold_of(margins, 0.0) == 0.0
    assert threshold_of([0.3], 0.5) == 0.3


def test_the_shipped_calibration_is_of_the_shipped_judge() -> None:
    """It has to be measured again whenever the weights change, see `judge.calibration`."""
    assert shipped_calibration().judge_sha256 == judge_sha256("embedded")
    assert len(shipped_calibration().margins) >= 200


def test_the_second_tower_reads_texts_as_the_first_one_does() -> None:
    judge = embedded_judge()
    assert judge.second is not None
    first, second = (clip[0].state_dict() for clip in (judge.clip, judge.second))
    texts = [name for name in first if name.startswith("text_")]
    assert texts
    assert all(torch.equal(first[name], second[name]) for name in texts)


def test_two_towers_look_together() -> None:
    judge = embedded_judge()
    assert judge.second is not None
    pictures = [view(sprites()["owl", "noto"], np.random.default_rng(3), (0.8, 0.9), "blue").image]
    own = [
        replace(judge, clip=clip, second=None).shown(pictures, ["an owl"])[0].own for clip in (judge.clip, judge.second)
    ]
    assert own[0] != own[1]
    assert judge.shown(pictures, ["an owl"])[0].own == pytest.approx(np.mean(own), abs=1e-6)
