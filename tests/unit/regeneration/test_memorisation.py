import pytest
import torch

from twig_assets.regeneration import RegenerationSettings
from twig_assets.regeneration.memorisation import MemorisationDetector, explained


def test_a_picture_explains_itself_and_nothing_explains_another():
    draw = torch.Generator().manual_seed(2)
    picture, other = (torch.randn(1, 4, 16, 16, generator=draw) for _ in range(2))
    assert explained(picture, picture).item() == pytest.approx(1)
    assert explained(other, picture).item() < 0.2


def test_a_prediction_near_its_first_image_or_near_a_protected_work_is_memorised():
    draw = torch.Generator().manual_seed(5)
    work, other, first = (torch.randn(1, 4, 16, 16, generator=draw) for _ in range(3))
    near = 0.8 * work + 0.2 * other
    settings = RegenerationSettings(near_work=0.6)
    firsts = first.expand(3, 4, 16, 16)
    clean = torch.cat([near, other, first])
    assert MemorisationDetector(firsts, torch.cat([other * 3, work]), settings).detect(clean).tolist() == [
        True,
        False,
        True,
    ]
    assert MemorisationDetector(firsts, None, settings).detect(clean).tolist() == [False, False, True]
