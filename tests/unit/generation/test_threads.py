import pytest
import torch

from twig_assets.generation.threads import enough_threads
from twig_assets.settings.home import SettingError, model_threads


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(parameters):
    return torch.nn.Linear(parameters // 1000, 1000, bias=False, device="meta")


def test_a_large_model_has_all_cores_and_leaves_what_was(one_thread, monkeypatch):
    monkeypatch.setenv("TWIG_THREADS", "3")
    with enough_threads(network(60_000_000)):
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 1


def test_a_small_model_keeps_its_threads_whatever_there_are(one_thread, monkeypatch):
    monkeypatch.setenv("TWIG_THREADS", "3")
    with enough_threads(network(60_000_000)), enough_threads(network(1_000_000)):
        assert torch.get_num_threads() == 3
    with enough_threads(network(1_000_000)):
        assert torch.get_num_threads() == 1


def test_the_number_of_threads_is_checked(monkeypatch):
    monkeypatch.delenv("TWIG_THREADS", raising=False)
    assert model_threads() >= 1
    for wrong in ("0", "many", "-2"):
        monkeypatch.setenv("TWIG_THREADS", wrong)
        with pytest.raises(SettingError, match="TWIG_THREADS"):
            model_threads()
