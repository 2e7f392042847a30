import pytest
from pydantic import ValidationError

from twig_assets.settings.opening import LoraSettings, OpeningSettings, SchedulerSettings


def test_a_lora_and_a_scheduler_may_be_given_by_their_names_alone():
    settings = OpeningSettings.model_validate({"loras": ["a.safetensors"], "scheduler": "DDIMScheduler"})
    assert settings.loras == (LoraSettings(path="a.safetensors", weight=1.0),)
    assert settings.scheduler == SchedulerSettings(name="DDIMScheduler")
    assert OpeningSettings.model_validate({"loras": "a.safetensors"}).loras == settings.loras


@pytest.mark.parametrize(
    "wrong", [{"device": "gpu"}, {"dtype": "float8"}, {"loras": [{"path": "a", "strength": 1}]}, {"quantise": 4}]
)
def test_what_is_not_known_is_refused(wrong):
    with pytest.raises(ValidationError):
        OpeningSettings.model_validate(wrong)
