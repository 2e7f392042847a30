"""What an edit did: does the target still appear, and are its surroundings still themselves?"""

from collections.abc import Sequence

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from transformers import CLIPModel, CLIPProcessor

from twig_assets.ablation.applying import apply, remove
from twig_assets.ablation.concept_edit import ConceptEdit
from twig_assets.generation import GenerationSettings, Pipeline, generate
from twig_assets.settings.ablation import ConceptTarget


class PromptFigures(BaseModel):
    """Figures of one prompt, on the same seeds before and after the edit.

    Attributes:
        prompt: What was drawn.
        role: `target`, `anchor` or `surrounding`.
        score_before: CLIP score (Hessel et al. 2021), 2.5 max(cosine, 0), of the images with their own prompt.
        score_after: The same after the edit.
        accuracy_before: Share of images that CLIP finds nearer to their own prompt than to its rival: for the target
            the anchor, for all others the target. 0 to 1.
        accuracy_after: The same after the edit. Low is good for the target, high for all others.
    """

    model_config = ConfigDict(frozen=True)

    prompt: str
    role: str
    score_before: float
    score_after: float
    accuracy_before: float
    accuracy_after: float


class Evaluation(BaseModel):
    """The figures of an edit.

    Attributes:
        samples: Images per prompt, before and after each.
        first_seed: Seed of the first image; the others follow.
        figures: One entry per prompt.
    """

    model_config = ConfigDict(frozen=True)

    samples: int
    first_seed: int
    figures: tuple[PromptFigures, ...]

    @property
    def target_share(self) -> float:
        """Largest share, over targets, of images in which the target is still the better description."""
        return max(f.accuracy_after for f in self.figures if f.role == "target")

    @property
    def surrounding_drop(self) -> float:
        """Mean fall in CLIP accuracy over anchor and surrounding prompts; negative if it rose."""
        others = [f for f in self.figures if f.role != "target"]
        return float(np.mean([f.accuracy_before - f.accuracy_after for f in others])) if others else 0.0


def evaluate(
    pipeline: Pipeline,
    edit: ConceptEdit,
    clip: tuple[CLIPModel, CLIPProcessor],
    settings: GenerationSettings | None = None,
    first_seed: int = 10_000,
) -> tuple[Evaluation, np.ndarray, np.ndarray]:
    """Draw target, anchor and surrounding prompts before and after the edit and score both with CLIP.

    Args:
        pipeline: The unedited base model; it is unedited again afterwards.
        edit: The edit to judge.
        clip: A CLIP model and its processor.
        settings: The sampler's settings.
        first_seed: First of the seeds used for every prompt.

    Returns:
        The figures, and the target's images before and after: uint8 (n, H, W, 3) each.
    """
    asked = [entry for concept in edit.concepts for entry in _prompts(concept)]
    count = edit.settings.samples
    texts = [prompt for prompt, _, _ in asked for _ in range(count)]
    seeds = [first_seed + k for _ in asked for k in range(count)]
    before = generate(pipeline, texts, seeds, settings)
    apply(pipeline, edit, edit.base_sha256)
    try:
        after = generate(pipeline, texts, seeds, settings)
    finally:
        remove(pipeline)
    figures = []
    for i, (prompt, rival, role) in enumerate(asked):
        part = slice(i * count, (i + 1) * count)
        scores = [_against(clip, images[part], prompt, rival) for images in (before, after)]
        figures.append(PromptFigures(
            prompt=prompt, role=role, score_before=scores[0][0], score_after=scores[1][0],
            accuracy_before=scores[0][1], accuracy_after=scores[1][1],
        ))  # fmt: skip
    return Evaluation(samples=count, first_seed=first_seed, figures=tuple(figures)), before[:count], after[:count]


def _prompts(concept: ConceptTarget) -> list[tuple[str, str, str]]:
    """(prompt, rival, role) of everything that is drawn for a concept."""
    if concept.kind == "style":
        subjects = concept.preserve or ("animal",)
        return [(f"a {s}, {concept.target}", f"a {s}, {concept.anchor}".strip(" ,"), "target") for s in subjects] + [
            (f"a {s}, {concept.anchor}".strip(" ,"), f"a {s}, {concept.target}", "anchor") for s in subjects
        ]
    article = "" if concept.kind == "memorized" else "a "
    target, anchor = article + concept.target, article + concept.anchor
    surrounding = [("a " + word, target, "surrounding") for word in concept.preserve]
    return [(target, anchor, "target"), (anchor, target, "anchor"), *surrounding]


@torch.no_grad()
def _against(clip: tuple[CLIPModel, CLIPProcessor], images: np.ndarray, own: str, rival: str) -> tuple[float, float]:
    """Mean CLIP score with the own prompt, and the share of images nearer to it than to the rival."""
    similarity = clip_similarity(clip, images, [own, rival])
    return float(2.5 * similarity[:, 0].clip(min=0).mean()), float((similarity[:, 0] > similarity[:, 1]).mean())


@torch.no_grad()
def clip_similarity(clip: tuple[CLIPModel, CLIPProcessor], images: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Cosine similarity of images (n, H, W, 3) and texts: float array (n, len(texts))."""
    model, processor = clip
    inputs = processor(images=list(images), text=list(texts), return_tensors="pt", padding=True, truncation=True)
    output = model(**inputs.to(model.device))
    image = torch.nn.functional.normalize(output.image_embeds, dim=-1)
    text = torch.nn.functional.normalize(output.text_embeds, dim=-1)
    return (image @ text.T).float().cpu().numpy()
