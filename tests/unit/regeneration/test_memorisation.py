import pytest
import torch
import torch.nn.functional as F

from twig_assets.regeneration import RegenerationSettings
from twig_assets.regeneration.memorisation import MemorisationDetector, details, shown


def pictures(count, seed=5):
    return torch.randn(count, 4, 16, 16, generator=torch.Generator().manual_seed(seed))


def disc(radius):
    """A plain work: a disc on a plain ground, (1, 4, 16, 16)."""
    at = torch.arange(16) - 7.5
    return (at[:, None].square() + at[None].square() < radius**2).float().expand(1, 4, 16, 16).clone()


def blurred(latents):
    return F.avg_pool2d(F.pad(latents, (3,) * 4, mode="replicate"), 7, 1)


def test_a_picture_shows_itself_on_any_ground_and_nothing_of_another():
    picture, other = pictures(2)[:, None]
    assert shown(picture, picture).item() == pytest.approx(1)
    assert shown(0.3 * picture + 5, picture).item() == pytest.approx(1), "paler and on another ground"
    assert abs(shown(other, picture).item()) < 0.2


def test_details_are_what_differs_from_the_surroundings():
    assert not details(torch.full((1, 4, 16, 16), 3.0)).any()
    assert details(pictures(1, 3)).shape == (1, 4, 16, 16)
    assert details(pictures(1)[..., :2, :2]).shape == (1, 4, 2, 2), "latents as small as the window"


def test_a_blur_on_a_plain_ground_is_no_plain_work_though_it_is_much_like_one():
    work, blur = disc(5), blurred(disc(5)) + 0.1 * blurred(pictures(1))
    missed = (blur - work).square().sum() / work.square().sum()
    assert 1 - missed > 0.75, "as a whole it is the work"
    detector = MemorisationDetector(pictures(1), work, RegenerationSettings())
    assert detector.detect(blur).tolist() == [False]
    assert detector.detect(work).tolist() == [True]


def test_a_prediction_near_its_first_image_or_near_a_protected_work_is_memorised():
    work, other, first = pictures(3)[:, None]
    near = 0.7 * work + 0.3 * other
    firsts = first.expand(3, 4, 16, 16)
    clean = torch.cat([near, other, first])
    works = torch.cat([-other, work])
    assert MemorisationDetector(firsts, works, RegenerationSettings()).detect(clean).tolist() == [True, False, True]
    assert MemorisationDetector(firsts, None, RegenerationSettings()).detect(clean).tolist() == [False, False, True]


def test_what_is_brought_back_is_what_the_prediction_shows_and_nothing_that_is_a_little_like_it():
    work, other, first = pictures(3)[:, None]
    detector = MemorisationDetector(torch.cat([first, first]), torch.cat([other, work]), RegenerationSettings())
    near = 0.9 * work + 0.45 * other
    assert shown(near, other).item() > 0.3
    assert torch.equal(detector.brought_back(near, 0), work)
    assert torch.equal(detector.brought_back(first, 1), first)


def test_with_evidence_alone_what_is_shown_most_counts():
    work, other, first = pictures(3)[:, None]
    detector = MemorisationDetector(first, torch.cat([other, work]), RegenerationSettings(memorised=1, near_work=1))
    assert torch.equal(detector.brought_back(0.5 * work + 0.4 * other, 0), work)
