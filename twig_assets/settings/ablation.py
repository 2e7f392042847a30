"""Settings of concept ablation and the concepts it removes."""

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twig_assets.settings.evaluation import EvaluationSettings, Gate

Kind = Literal["object", "style", "memorized"]


class ConceptTarget(BaseModel):
    """A concept to remove and what to draw instead.

    Attributes:
        name: A short name for files and tables.
        target: What must no longer be drawn: an object, a style or, for `memorized`, the whole caption.
        anchor: What is drawn in its place: a broader object, a plain style or an ordinary caption.
        kind: `object`, `style` or `memorized`.
        aliases: Other words and spellings that are removed along with the target.
        preserve: Surrounding concepts that must stay as they are.
        subjects: For a style, what is drawn in it when the edit is judged; those of the evaluation when empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    target: str = Field(min_length=1)
    anchor: str
    kind: Kind
    aliases: tuple[str, ...] = ()
    preserve: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _target_differs(self) -> "ConceptTarget":
        wanted = {word.strip().lower() for word in (self.target, *self.aliases)}
        if self.anchor.strip().lower() in wanted:
            raise ValueError(f"concept {self.name!r}: the anchor {self.anchor!r} is the target itself; name another")
        for kept in self.preserve:
            if kept.strip().lower() in wanted:
                raise ValueError(f"concept {self.name!r}: {kept!r} is to be removed and preserved; drop one of them")
            held = next((word for word in wanted if self.kind == "object" and names(kept, word)), None)
            if held:
                raise ValueError(
                    f"concept {self.name!r}: {kept!r} is to be preserved and has {held!r} in it, which is to be "
                    f"removed; drop one of them"
                )
        return self


def names(text: str, word: str) -> bool:
    """Whether a text has a word or phrase in it, whole and in any case: `cat` is not in `catalog`."""
    return bool(word) and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


Method = Literal["fast", "closed_form", "model_based", "noise_based"]
ParameterGroup = Literal["cross_attention", "attention", "full", "embedding"]
MemorizedAnchors = Literal["anchor", "paraphrases"]


class TuningSettings(BaseModel):
    """Fine-tuning by `model_based` and `noise_based` (Kumari et al. 2023, arXiv 2303.13516).

    Attributes:
        parameters: What is trained: keys and values of `cross_attention`, all `attention` projections, the `full` UNet,
            or only the `embedding` rows of the target's own tokens.
        steps: Optimiser steps. The paper takes 100 for objects and styles, 400 for memorised pictures.
        batch_size: Pairs of target caption and anchor image per step; 8 in the paper.
        learning_rate: Of AdamW, constant; the reference code's effective rate is 1.6e-5 on Stable Diffusion. Small
            models need more. Too high and everything is forgotten.
        prior_weight: Weight of the ordinary diffusion loss on anchor captions, the paper's regulariser; 0 leaves it
            out. Needed when the anchor is part of the target, and for memorised pictures.
        anchor_images: Images of the anchor that are sampled from the model to train on; 200 to 1000 in the paper.
        checkpoint_every: Steps between two savings of the training's state, where it is given a folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: ParameterGroup = "cross_attention"
    steps: int = Field(100, ge=1)
    batch_size: int = Field(8, ge=1)
    learning_rate: float = Field(1.6e-5, gt=0)
    prior_weight: float = Field(0.0, ge=0)
    anchor_images: int = Field(200, ge=1)
    checkpoint_every: int = Field(25, ge=1)


class DistillationSettings(BaseModel):
    """`fast`: distilling the text encoder.

    Attributes:
        steps: Optimiser steps for each concept, also where several are distilled together.
        batch_size: Prompts of the target per step.
        retained: Prompts to retain per step. There are many more of these to get right than of the target.
        learning_rate: Of Adam, at its height, for layers 128 wide. Wider ones take less in proportion, and where a step
            changes how other prompts are read by more than what separates target and anchor, training starts again with
            half of it; so it need not be lowered for larger models.
        retention: Weight of reading everything else as before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(160, ge=1)
    batch_size: int = Field(8, ge=1)
    retained: int = Field(24, ge=1)
    learning_rate: float = Field(0.004, gt=0)
    retention: float = Field(2.5, ge=0)


class CaptionWriterSettings(BaseModel):
    """A causal language model that writes the captions of the anchor, run by transformers.

    Attributes:
        checkpoint: Its folder or hub id, with safetensors weights and a tokenizer. It continues a list of captions, so
            a base model will do.
        captions: How many different ones it has to write.
        tries: How often it may write for each; what lacks the anchor, names the target or was there before is not
            counted.
        max_new_tokens: Length of a caption, at most. A text encoder of Stable Diffusion reads 75.
        temperature: Of sampling. Low and it repeats itself, high and it rambles.
        top_p: It draws among the likeliest tokens that have this probability together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: str = Field(min_length=1)
    captions: int = Field(50, ge=1, le=1000)
    tries: int = Field(8, ge=1)
    max_new_tokens: int = Field(24, ge=1, le=75)
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(0.95, gt=0, le=1)


class StorageSettings(BaseModel):
    """How large an edit's file may become.

    Attributes:
        whole_below: An edit whose training added less than this, in MiB, is kept as it was trained. Of a larger one,
            changes of text encoders and of where text enters are kept as two thin matrices each, and all others in half
            precision.
        max_error: What that may cost: how far what the denoiser reads departs, as a squared share of what separates
            target and anchor. The smallest rank of 16, 32, 64, 128 and 256 that keeps to it is taken, and half
            precision where none does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    whole_below: float = Field(32, ge=0)
    max_error: float = Field(0.001, gt=0, lt=1)


class AblationSettings(BaseModel):
    """How a concept is removed.

    Attributes:
        method: `fast` distils the text encoder; `closed_form` solves for all key and value projections at once
            (Gandikota et al. 2024, UCE); `model_based` and `noise_based` fine-tune as Kumari et al. 2023 do.
        seed: Of everything random; the same seed gives the same edit.
        misspellings: Misspellings of the target that are edited along with it, as many again at edit distance 2.
        overshoot: How far beyond the anchor, away from the target, a target prompt is sent; 0 is the anchor itself.
            More removes what target and anchor share, and harms more. A pooled embedding goes as far as the denoiser
            follows, at most this far. Closed form and `fast` only.
        emphasis: How far beyond the anchor, away from the empty prompt, an object's prompt is sent as well. The anchor
            is a broader kind, and some of its own images show the target: a fish may be tropical. `fast` only, and
            without effect on a model that reads a pooled embedding too.
        erase_scale: Weight of the target's tokens. Larger removes more and harms neighbours more.
        preserve_scale: Weight of the preserved prompts' tokens. Too small, and unrelated memorised pictures suffer.
        ridge: Weight of staying near the original weights, everywhere; it keeps the system
            solvable where no prompt reaches.
        adversarial_rounds: Rounds of searching the embedding that brings the target back through the edited weights,
            and erasing that too (Gong et al. 2024, RECE, arXiv 2407.12383).
        null_space: Share of the preserved prompts' energy below which a direction is free to change (after Li et al.
            2026, SPEED, arXiv 2503.07392); 0 turns the projection off; 1e-4 is a start.
        neighbours: Surrounding concepts that are looked up by their text embeddings when the concept names none.
        anchor_prompts_file: Ordinary captions of the anchor, one a line; each must hold the anchor's word. Made from
            templates when None.
        anchor_prompts_model: A language model that writes these captions instead. For fine-tuning, as the file.
        memorized_anchors: What a memorised caption is fine-tuned towards: the concept's `anchor`, or `paraphrases` of
            the caption itself that do not reproduce the picture, as in the paper; the others stay targets.
        tuning: Settings of `model_based` and `noise_based`.
        distillation: Settings of `fast`.
        storage: How large the edit's file may become.
        evaluation: What is drawn to judge the edit.
        gate: What it must reach to be accepted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method = "fast"
    seed: int = Field(0, ge=0)
    misspellings: int = Field(16, ge=0)
    overshoot: float = Field(0.5, ge=0, le=3)
    emphasis: float = Field(0.25, ge=0, le=3)
    erase_scale: float = Field(1.0, gt=0)
    preserve_scale: float = Field(3.0, ge=0)
    ridge: float = Field(0.01, gt=0)
    adversarial_rounds: int = Field(0, ge=0, le=10)
    null_space: float = Field(0.0, ge=0, lt=1)
    neighbours: int = Field(5, ge=0)
    anchor_prompts_file: Path | None = None
    anchor_prompts_model: CaptionWriterSettings | None = None
    memorized_anchors: MemorizedAnchors = "anchor"
    tuning: TuningSettings = TuningSettings()
    distillation: DistillationSettings = DistillationSettings()
    # Left out where nothing is set, so that edits that were made before there was this field keep their settings' hash.
    storage: StorageSettings = Field(StorageSettings(), exclude_if=lambda storage: storage == StorageSettings())
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: Gate = Gate()

    @property
    def training_steps(self) -> int:
        """Optimiser steps for one concept; 0 for a method that trains nothing."""
        return {"fast": self.distillation.steps, "closed_form": 0}.get(self.method, self.tuning.steps)

    @model_validator(mode="after")
    def _one_source_of_captions(self) -> "AblationSettings":
        if self.anchor_prompts_file and self.anchor_prompts_model:
            raise ValueError("anchor_prompts_file and anchor_prompts_model both give captions; leave one of them out")
        return self
