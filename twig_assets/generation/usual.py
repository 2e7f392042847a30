"""The sampler's settings that a model is usually drawn with, for whoever names none."""

import inspect

from twig_assets.generation.family import Pipeline
from twig_assets.settings.generation import GenerationSettings


def usual_settings(pipeline: Pipeline) -> GenerationSettings:
    """Steps and guidance as the pipeline's own class has them, and guidance from the first step on, as it is drawn."""
    parameters = inspect.signature(type(pipeline).__call__).parameters
    own = {
        field: parameters[name].default
        for field, name in (("steps", "num_inference_steps"), ("guidance_scale", "guidance_scale"))
        if name in parameters and isinstance(parameters[name].default, int | float)
    }
    own["guidance_scale"] = max(1.0, float(own.get("guidance_scale", 1.0)))
    return GenerationSettings(**own, guidance_rescale=0.0, guidance_from=0.0)
