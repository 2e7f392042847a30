"""The embedded model family: a CLIP, a Stable Diffusion pipeline and a Segment Anything model, trained here.

They are small, but of the standard classes, and are loaded and used like the big ones. MODEL_CARD.md says what they
were trained on and how well they do.
"""

from twig_assets.model_zoo.errors import ModelError
from twig_assets.model_zoo.load_clip import load_clip
from twig_assets.model_zoo.load_pipeline import load_pipeline
from twig_assets.model_zoo.load_sam import load_sam

__all__ = ["ModelError", "load_clip", "load_pipeline", "load_sam"]
