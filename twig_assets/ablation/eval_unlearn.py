"""Concept ablation as a technique of eval-unlearn, which finds it by the entry point `twig_ablation`.

To eval-unlearn a technique is a class that takes its configuration as keywords and has a method `generate`. Nothing of
that package is imported, so it need not be installed.
"""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from twig_assets.ablation.ablate import ablate
from twig_assets.ablation.edits.applying import apply
from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.ablation.errors import EditError
from twig_assets.generation import GenerationSettings, family_of, fingerprint, load_checkpoint
from twig_assets.generation.sampling import sample
from twig_assets.settings.ablation import AblationSettings, ConceptTarget, Kind


class TechniqueSettings(BaseModel):
    """The configuration of the technique in a benchmark's file, with eval-unlearn's own names where it has some.

    Attributes:
        erase_concept: What is removed.
        anchor_concept: What is drawn in its place; for a style, perhaps nothing.
        concept_type: `object`, `style` or `memorized`.
        model_id: Folder or hub id of the checkpoint, or `embedded`.
        ablation: Method and weights.
        save_path: File of the edit: it is read if it exists, and written otherwise.
        num_inference_steps: Denoising steps of an image.
        guidance_scale: Classifier-free guidance, as eval-unlearn's own techniques have it: from the first step on,
            without rescaling.
        batch_size: Images per call of the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    erase_concept: str = Field(min_length=1)
    anchor_concept: str
    concept_type: Kind = "object"
    model_id: str = "CompVis/stable-diffusion-v1-4"
    ablation: AblationSettings = AblationSettings()
    save_path: Path | None = None
    num_inference_steps: int = Field(50, ge=1)
    guidance_scale: float = Field(7.5, ge=1)
    batch_size: int = Field(4, ge=1)


class ConceptAblation:
    """An ablated model that draws what a benchmark asks for.

    Args:
        config: See `TechniqueSettings`.

    Raises:
        CheckpointError: If the checkpoint cannot be opened.
        EditError: If the file at `save_path` is no edit, or one of another concept or model.
        IndistinctConceptError: If the text encoder reads target and anchor alike.
    """

    def __init__(self, **config: object) -> None:
        self.config = TechniqueSettings.model_validate(config)
        self.pipeline = load_checkpoint(self.config.model_id)
        # A safety checker draws a black picture in place of one that it holds back, which would count as removal.
        family_of(self.pipeline).remove_safety_checker()
        base_sha256 = fingerprint(self.pipeline)
        apply(self.pipeline, self._edit(base_sha256), base_sha256)

    def _edit(self, base_sha256: str) -> ConceptEdit:
        concept = ConceptTarget(
            name="erased",
            target=self.config.erase_concept,
            anchor=self.config.anchor_concept,
            kind=self.config.concept_type,
        )
        path = self.config.save_path
        if path is None or not path.exists():
            edit = ablate(self.pipeline, concept, self.config.ablation, base_sha256)
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                edit.save(path)
            return edit
        edit = ConceptEdit.load(path)
        # Where nothing to preserve is named, it is looked up in the model, so it may differ.
        removed = [target.model_copy(update={"preserve": ()}) for target in edit.concepts]
        if removed != [concept] or edit.settings != self.config.ablation:
            raise EditError(
                f"{path} is the edit of another concept or of other settings; delete it or name another file"
            )
        return edit

    def generate(
        self,
        prompts: Sequence[str],
        seed: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
    ) -> list[Image.Image]:
        """Draw one image per prompt; a prompt that is too long for the text encoder is cut off.

        Args:
            prompts: n prompts.
            seed: Seed of the first image; each further image has the next one. 0 when None.
            num_inference_steps: Denoising steps, at least 1; the configured ones when None.
            guidance_scale: Classifier-free guidance, at least 1; the configured one when None.
        """
        settings = GenerationSettings(
            steps=num_inference_steps or self.config.num_inference_steps,
            guidance_scale=guidance_scale or self.config.guidance_scale,
            guidance_rescale=0,
            guidance_from=0,
        )
        seeds = range(seed or 0, (seed or 0) + len(prompts))
        images: list[Image.Image] = []
        for start in range(0, len(prompts), self.config.batch_size):
            chunk = slice(start, start + self.config.batch_size)
            images += map(Image.fromarray, sample(family_of(self.pipeline), prompts[chunk], seeds[chunk], settings))
        return images
