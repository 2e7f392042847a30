"""Everything that the benchmark `regeneration` measures on a set of second images."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from twig_assets.bench.models.distance import fid, kid, unbiased_kid
from twig_assets.bench.models.second_images import FirstImages, SecondImages, Studio
from twig_assets.model_zoo import load_clip, planted
from twig_assets.model_zoo.art import SIDE
from twig_assets.model_zoo.load_classifier import load_classifier
from twig_assets.regeneration import compare
from twig_assets.similarity import Policy, ReferenceImage, ReferenceIndex, audit

# The thresholds of the demo campaign, which are stricter than the defaults; the detectors' are the defaults.
POLICY = Policy(ssim_threshold=0.5, masked_ssim_threshold=0.5, review_margin=0.1)


class Figures:
    """The models that judge second images: CLIP, the classifier, and the audit against the planted works."""

    def __init__(self, studio: Studio) -> None:
        """Open the models; `studio` gives the masks."""
        self.studio = studio
        self.judge = load_classifier()
        self.clip, self.processor = load_clip()
        self.references = [
            ReferenceImage(Path(name), work.title, "", "", name, planted.picture(work, variant))
            for work, variant in planted.PICTURES
            for name in [planted.file_stem(work, variant)]
        ]
        self.index = ReferenceIndex([reference.pixels for reference in self.references])

    def row(self, strategy: str, seconds: SecondImages, plain: np.ndarray) -> dict[str, Any]:
        """All figures of one set of second images.

        Args:
            strategy: Its name, for the row.
            seconds: The second images.
            plain: Processor seconds per image that the plain sampler took, of each batch.
        """
        firsts, images = seconds.firsts, seconds.images
        masks, usable = self.studio.masks(images)
        masks &= usable[:, None, None]
        return {
            "kind": firsts.kind,
            "strategy": strategy,
            "n": len(images),
            "side": images.shape[1],
            "cpu_seconds_per_image": float(np.median(seconds.seconds)) if len(seconds.seconds) else None,
            "cost_ratio": seconds.cost_ratio(plain),
            **compare(firsts.images, images, firsts.masks & firsts.usable[:, None, None], masks),
            **self._clip_score(firsts, images),
            **self._copies(images, masks, self._shows_concept(firsts, images)),
            **(self._distances(firsts, images) if firsts.kind.startswith("ordinary") else {}),
        }

    def _copies(self, images: np.ndarray, masks: np.ndarray, shows: np.ndarray | None) -> dict[str, Any]:
        """Verdicts on the images; and how many show their concept, and do and pass, where `shows` is bool (n,)."""
        results = audit(images, self.references, POLICY, masks=masks, index=self.index)
        verdicts = [result.verdict for result in results]
        scores = [result.scores["ssim"] or 0.0 for result in results]
        shares = {
            f"{verdict}_share": verdicts.count(verdict) / len(verdicts)
            for verdict in ("fail", "review", "inconclusive")
        }
        if shows is not None:
            passes = np.array([verdict != "fail" for verdict in verdicts])
            shares |= {"top1": float(shows.mean()), "as_asked_share": float((shows & passes).mean())}
        return {**shares, "ssim_work_mean": float(np.mean(scores)), "ssim_work_max": max(scores)}

    def _shows_concept(self, firsts: FirstImages, images: np.ndarray) -> np.ndarray | None:
        """Whether the classifier names the concept of each image, bool (n,); None where the prompts have none."""
        if not firsts.concepts:
            return None
        concepts, _ = self.judge.classify(_at_side(images))
        named = [self.judge.concepts[i] for i in concepts.argmax(1)]
        return np.array([a == b for a, b in zip(named, firsts.concepts, strict=True)])

    def _clip_score(self, firsts: FirstImages, images: np.ndarray) -> dict[str, Any]:
        inputs = self.processor(text=firsts.prompts, images=list(images), return_tensors="pt", padding=True)
        with torch.no_grad():
            outputs = self.clip(**inputs)
        return {"clip_score": float(torch.cosine_similarity(outputs.image_embeds, outputs.text_embeds).mean())}

    def _distances(self, firsts: FirstImages, images: np.ndarray) -> dict[str, Any]:
        """Distances between all sets of one seed."""
        first_features, features = self.features(firsts.images), self.features(images)
        seeds = [slice(start, start + firsts.per_seed) for start in range(0, len(images), firsts.per_seed)]
        distances = np.array([[kid(features[s], first_features[f]) for f in seeds] for s in seeds])
        return {
            "kid_per_seed_set": distances.mean(1).tolist(),
            "kid_to_own_firsts": np.diag(distances).tolist(),
            "kid_unbiased": unbiased_kid(features, first_features),
            "fid": fid(features, first_features),
            "kid_n": firsts.per_seed,
            "fid_n": len(images),
        }

    def features(self, images: np.ndarray) -> np.ndarray:
        """The classifier's features of images, float (n, 384)."""
        return self.judge.features(_at_side(images))


def _at_side(images: np.ndarray) -> np.ndarray:
    if images.shape[1:3] == (SIDE, SIDE):
        return images
    resized = (Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for image in images)
    return np.stack([np.asarray(image) for image in resized])
