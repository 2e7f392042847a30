"""A judge: a CLIP or SigLIP with the subjects that it can name.

An image is compared with every caption of every subject. What counts is by how much the best caption of what was asked
for is nearer than the best one of anything else: the level of a bare cosine differs from subject to subject and from
CLIP to CLIP, and a style or a ground that is off must not outweigh the subject.

A judge that reads any text takes a prompt that names none of the subjects for a subject of its own. It is then compared
with all others but those that the judge reads as most alike: they may be other words for the same thing.

Image towers that were trained differently err differently, so a second one may look as well. What counts is the mean of
their cosines (an ensemble in the manner of Lakshminarayanan et al. 2017, arXiv 1612.01474).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from twig_assets.english import with_article
from twig_assets.judge.captions import caption_features
from twig_assets.judge.clip import Clip, image_features, text_features
from twig_assets.judge.shown import Shown
from twig_assets.judge.vocabulary import Asked, Vocabulary

# Subjects that may be other words for what a prompt asks for.
_KIN = 5


@dataclass(frozen=True, eq=False)
class Judge:
    """A judge at work.

    Attributes:
        clip: The CLIP and its processor.
        vocabulary: What it can name, at least two subjects.
        second: Another CLIP with the same text tower, whose image tower looks as well.
    """

    clip: Clip
    vocabulary: Vocabulary
    second: Clip | None = None

    def asked(self, prompts: Sequence[str]) -> list[Asked]:
        """What each prompt asks for."""
        if not prompts:
            return []
        nearness = self._nearness(text_features(self.clip, prompts))
        return [self._asked(prompt, near) for prompt, near in zip(prompts, nearness, strict=True)]

    def shown(self, images: Sequence[np.ndarray], prompts: Sequence[str]) -> list[Shown]:
        """Compare n images, uint8 (H, W, 3) of any size, with their prompts."""
        asked = self.asked(prompts)
        if not len(images):
            return []
        towers = [self.clip, *([self.second] if self.second else [])]
        features = [image_features(tower, images) for tower in towers]
        scores = np.mean([self._nearness(of_tower) for of_tower in features], axis=0)
        return [
            self._shown(a, row) if set(a.subjects) <= set(self.names) else self._shown_itself(a, row, image)
            for a, row, image in zip(asked, scores, np.mean(features, axis=0), strict=True)
        ]

    @cached_property
    def names(self) -> list[str]:
        """The subjects, in order."""
        return list(self.vocabulary.subjects)

    @cached_property
    def _captions(self) -> np.ndarray:
        """Unit vectors (subjects, captions, d)."""
        features = caption_features(self.clip, self.vocabulary.written())
        return features.reshape(len(self.names), len(self.vocabulary.captions), -1)

    def _nearness(self, features: np.ndarray) -> np.ndarray:
        """Cosine of each of n vectors (n, d) and the best caption of each subject, (n, subjects)."""
        best: np.ndarray = np.einsum("nd,kcd->nkc", features, self._captions).max(axis=2)
        return best

    def _asked(self, prompt: str, near: np.ndarray) -> Asked:
        named, known_from = self.vocabulary.named(prompt), self.vocabulary.known_from
        if known_from is None:
            return Asked(tuple(named) or (prompt,))
        if not named:
            return Asked((), "the judge knows none of its words")
        known = tuple(name for name in named if near[self.names.index(name)] >= known_from)
        return Asked(known) if known else Asked((), f"the judge does not read it as {with_article(named[0])}")

    def _shown(self, asked: Asked, scores: np.ndarray) -> Shown:
        taken_for = self.names[int(scores.argmax())]
        if not asked.subjects:
            return Shown(asked, taken_for=taken_for)
        own = [self.names.index(name) for name in asked.subjects]
        others = np.delete(scores, own)
        return Shown(asked, float(scores[own].min()), float(others.max()), taken_for)

    def _shown_itself(self, asked: Asked, scores: np.ndarray, image: np.ndarray) -> Shown:
        """How an image, the mean (d,) of the towers' unit vectors, compares with a prompt that is a subject itself."""
        [prompt] = asked.subjects
        text = text_features(self.clip, [prompt])
        own = float(image @ text[0])
        rivals = self._nearness(text)[0].argsort(kind="stable")[:-_KIN]
        other = float(scores[rivals].max())
        return Shown(asked, own, other, prompt if own >= other else self.names[int(rivals[scores[rivals].argmax()])])
