"""The script that compares a GPU with the CPU: it works here with the CPU in the GPU's place."""

import pytest
import torch

from twig_assets.bench import gpu_check


def test_with_the_cpu_in_its_place_everything_is_done_and_is_the_same(capsys):
    assert gpu_check.main(["--device", "cpu", "--quick"]) == 0
    out = capsys.readouterr().out
    for what in ("draw", "fast", "closed_form", "model_based", "noise_based", "regenerate", "segment", "audit"):
        assert what in out
    assert "8 of 8 are the same" in out


def test_without_a_gpu_it_says_so(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_check.main([]) == 2
    assert "no GPU" in capsys.readouterr().out


@pytest.mark.parametrize(("difference", "same"), [(0.5, True), (2.0, False), (float("nan"), False)])
def test_what_is_too_far_apart_or_undefined_is_not_the_same(difference, same):
    checked = gpu_check.Checked("draw", 1.0, 2.0, 3.0, difference, "grey levels", 1.0)
    assert checked.same is same
    assert ("DIFFERENT" in checked.line()) is not same
