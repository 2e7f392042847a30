"""A judge: a CLIP with the subjects that it can name.

An image is compared with every caption of every subject. What counts is by how much the best caption of what was asked
for is nearer than the best one of anything else: the level of a bare cosine differs from subject to subject and from
CLIP to CLIP, and a style or a ground that is off must not outweigh the subject.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from twig_assets.english import with_article
from twig_assets.judge.clip import Clip, image_features, text_features
from twig_assets.judge.shown import Shown
from twig_assets.judge.vocabulary import Asked, Vocabulary


@dataclass(frozen=True, eq=False)
class Judge:
    """A judge at work.

    Attributes:
        clip: The CLIP and its processor.
        vocabulary: What it can name, at least two subjects.
    """

    clip: Clip
    vocabulary: Vocabulary

    def asked(self, prompts: Sequence[str]) -> list[Asked]:
        """What each prompt asks for."""
        if not prompts:
            return []
        nearness = np.einsum("nd,kcd->nkc", text_features(self.clip, prompts), self._captions).max(axis=2)
        return [self._asked(prompt, near) for prompt, near in zip(prompts, nearness, strict=True)]

    def shown(self, images: Sequence[np.ndarray], prompts: Sequence[str]) -> list[Shown]:
        """Compare n images, uint8 (H, W, 3) of any size, with their prompts."""
        asked = self.asked(prompts)
        if not len(images):
            return []
        scores = np.einsum("nd,kcd->nkc", image_features(self.clip, images), self._captions).max(axis=2)
        return [self._shown(a, row) for a, row in zip(asked, scores, strict=True)]

    @cached_property
    def names(self) -> list[str]:
        """The subjects, in order."""
        return list(self.vocabulary.subjects)

    @cached_property
    def _captions(self) -> np.ndarray:
        """Unit vectors (subjects, captions, d)."""
        texts = [
            caption.format(subject=with_article(name.lower()))
            for name in self.names
            for caption in self.vocabulary.captions
        ]
        return text_features(self.clip, texts).reshape(len(self.names), len(self.vocabulary.captions), -1)

    def _asked(self, prompt: str, near: np.ndarray) -> Asked:
        named = self.vocabulary.named(prompt)
        if not named:
            return Asked((), "the judge knows none of its words")
        known = tuple(name for name in named if near[self.names.index(name)] >= self.vocabulary.known_from)
        return Asked(known) if known else Asked((), f"the judge does not read it as {with_article(named[0])}")

    def _shown(self, asked: Asked, scores: np.ndarray) -> Shown:
        taken_for = self.names[int(scores.argmax())]
        if not asked.subjects:
            return Shown(asked, taken_for=taken_for)
        own = [self.names.index(name) for name in asked.subjects]
        others = np.delete(scores, own)
        return Shown(asked, float(scores[own].min()), float(others.max()), taken_for)
