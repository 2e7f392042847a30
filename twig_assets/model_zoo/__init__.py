"""The embedded model family: a CLIP, two text-to-image pipelines and a Segment Anything model, trained here.

They are small, but of the standard classes, and are loaded and used like the big ones. MODEL_CARD.md says what they
were trained on and how well they do.
"""

from twig_assets.model_zoo.load_classifier import load_classifier
from twig_assets.model_zoo.load_pipeline import load_pipeline
from twig_assets.model_zoo.load_sam import load_sam
from twig_assets.model_zoo.loading import ModelError, load_clip

__all__ = ["ModelError", "load_classifier", "load_clip", "load_pipeline", "load_sam"]
