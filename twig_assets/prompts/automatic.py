"""Prompts made from pictures: what CLIP sees in them, set into templates."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twig_assets.ablation.evaluate_clip import image_features, text_features
from twig_assets.articles import with_article

TEMPLATES = ("{caption}", "a sticker of {caption}", "a drawing of {caption} on a white background")


def captions(images: Sequence[np.ndarray], clip: Any, vocabulary: Sequence[str]) -> list[str]:
    """For each image the word of a vocabulary that CLIP finds nearest, with its article: `an owl`.

    Args:
        images: uint8 arrays (h, w, 3) of any size.
        clip: A CLIP model and its processor.
        vocabulary: Names of things; what is in none of them cannot be said.
    """
    said = [with_article(name.lower()) for name in vocabulary]
    words = text_features(clip, said)
    return [said[int((words @ image_features(clip, image[None])[0]).argmax())] for image in images]


def expanded(texts: Sequence[str], templates: Sequence[str] = TEMPLATES) -> list[str]:
    """Every caption in every template, each prompt once.

    Raises:
        ValueError: If a template does not hold `{caption}`.
    """
    for template in templates:
        if "{caption}" not in template:
            raise ValueError(f"template {template!r} has no {{caption}}; write where the caption goes")
    return list(dict.fromkeys(template.replace("{caption}", text) for text in texts for template in templates))
