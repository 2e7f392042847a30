import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LMSDiscreteScheduler,
)

from twig_assets.generation import UnsupportedSchedulerError
from twig_assets.generation.schedulers import parametrisation


def shaped(generator):
    return torch.randn(1, 4, 8, 8, generator=generator)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_clean_image_of_a_true_prediction_is_the_clean_image_and_leads_back_to_the_prediction(kind):
    scheduler = DDIMScheduler(prediction_type=kind, clip_sample=False)
    draw, timestep = torch.Generator().manual_seed(0), torch.tensor(400)
    clean, noise = shaped(draw), shaped(draw)
    sample = scheduler.add_noise(clean, noise, timestep[None])
    prediction = {"epsilon": noise, "sample": clean}.get(kind)
    if prediction is None:
        prediction = scheduler.get_velocity(clean, noise, timestep[None])
    reading = parametrisation(scheduler)
    torch.testing.assert_close(reading.clean(prediction, sample, timestep), clean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(reading.prediction(clean, sample, timestep), prediction, atol=1e-4, rtol=1e-4)
    signal, level = reading.levels(timestep)
    assert signal**2 + level**2 == pytest.approx(1)
    torch.testing.assert_close(signal * clean + level * noise, sample)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize(
    ("scheduler_class", "settings"),
    [
        (EulerDiscreteScheduler, {}),
        (HeunDiscreteScheduler, {}),
        (LMSDiscreteScheduler, {}),
        (KDPM2DiscreteScheduler, {}),
        (FlowMatchEulerDiscreteScheduler, {}),
        (DPMSolverMultistepScheduler, {"prediction_type": "flow_prediction", "use_flow_sigmas": True}),
    ],
)
def test_a_scheduler_whose_clean_image_cannot_be_read_is_refused_by_its_properties(scheduler_class, settings):
    with pytest.raises(UnsupportedSchedulerError, match=rf"{scheduler_class.__name__}.*DDIMScheduler"):
        parametrisation(scheduler_class(**settings))
