"""A campaign: one folder with prompts, protected concepts, references, a policy and the settings of every step."""

import json
import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twig_assets.settings.ablation import AblationSettings
from twig_assets.settings.generation import GenerationSettings
from twig_assets.settings.judge import JudgeSettings, judge_for
from twig_assets.settings.masks import MaskSettings
from twig_assets.settings.opening import OpeningSettings
from twig_assets.settings.prompts import PromptCheckSettings
from twig_assets.settings.regeneration import RegenerationSettings
from twig_assets.settings.segmentation import SegmentationSettings
from twig_assets.settings.yaml_models import YamlModelError, read_model

FILE = "campaign.yaml"
MAX_ATTEMPTS = 10
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class CampaignError(ValueError):
    """A campaign that does not exist or whose file cannot be used; the message says what to do."""


class SegmenterChoice(BaseModel):
    """Which Segment Anything model cuts out the foreground.

    Attributes:
        kind: `embedded` for the one that ships with the project, the size of a checkpoint of your own, or `sam2`.
        checkpoint: The checkpoint file, for all kinds but `embedded`; of a `sam2` its folder or hub id.
        revision: Of a hub id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["embedded", "vit_b", "vit_l", "vit_h", "sam2"] = "embedded"
    checkpoint: Path | None = None
    # Left out where there is none, so that masks that were made before there was this field keep their name.
    revision: str | None = Field(None, exclude_if=lambda revision: revision is None)

    @model_validator(mode="after")
    def _kind_fits_checkpoint(self) -> Self:
        if self.kind == "embedded" and self.checkpoint:
            raise ValueError("kind 'embedded' brings its own weights; delete checkpoint or name its kind")
        if self.kind != "embedded" and not self.checkpoint:
            raise ValueError(f"kind {self.kind!r} needs the path of its checkpoint; add checkpoint")
        if self.kind != "sam2" and self.revision:
            raise ValueError(f"kind {self.kind!r} is a file, which has no revisions; delete revision")
        return self


class Campaign(OpeningSettings):
    """What `campaign.yaml` says; every field but the title has a default.

    Attributes:
        name: Name of the folder: lower-case letters, digits and hyphens. Every partition key begins with it.
        folder: The folder with the files of the campaign. Prompts lie there as `prompts*.yaml` and `prompts*.csv`, see
            `twig_assets.prompts`; new ones are dropped into its `inbox`.
        title: Name to show people.
        checkpoint: `embedded`, or the folder, `.safetensors` file or hub id of a text-to-image model. How it is opened
            (`revision`, `config`, `loras`, `vae`, `scheduler`, `dtype`, `device`, `memory`) says `OpeningSettings`.
        segmenter: The model that finds the foreground.
        judge: What says whether an image shows its prompt, and whether an edit removed its concept: `embedded` knows
            the concepts of the embedded models, `none` leaves it to people; else a CLIP or SigLIP, a folder below the
            campaign's or a hub id, perhaps with its `revision`. Left out, it is `embedded` for the embedded checkpoint
            and `none` for any other.
        batch_size: Prompts per partition, 1 to 64.
        max_attempts: How often a failing image is drawn, each time with another seed, before its prompt is quarantined:
            1 to 10.
        prompt_check: What is done with prompts that name something protected.
        generation: Settings of the first image.
        masks: Where its mask comes from.
        segmentation: Settings of that mask.
        regeneration: Settings of the image that avoids the mask.
        ablation: Settings of the edits that remove protected concepts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    folder: Path
    title: str = Field(min_length=1)
    checkpoint: str = Field("embedded", min_length=1)
    segmenter: SegmenterChoice = SegmenterChoice()
    judge: JudgeSettings | None = None
    batch_size: int = Field(64, ge=1, le=64)
    max_attempts: int = Field(3, ge=1, le=MAX_ATTEMPTS)
    prompt_check: PromptCheckSettings = Field(default_factory=PromptCheckSettings)
    generation: GenerationSettings = Field(default_factory=GenerationSettings)
    masks: MaskSettings = Field(default_factory=MaskSettings)
    segmentation: SegmentationSettings = Field(default_factory=SegmentationSettings)
    regeneration: RegenerationSettings = Field(default_factory=RegenerationSettings)
    ablation: AblationSettings = Field(default_factory=AblationSettings)

    @property
    def chosen_judge(self) -> JudgeSettings:
        """The judge, whether it was named or follows from the checkpoint."""
        return judge_for(self.checkpoint, self.judge)

    @property
    def model_name(self) -> str:
        """The checkpoint, with what is exchanged in it: what the catalog calls the model before it has edits."""
        unseen: Any = {"device": True, "memory": {"offload", "vae_slicing"}}
        exchanged = self.opening.model_dump(mode="json", exclude_defaults=True, exclude=unseen)
        exchanged = {name: value for name, value in exchanged.items() if value != {}}
        return f"{self.checkpoint} {json.dumps(exchanged, sort_keys=True)}" if exchanged else self.checkpoint

    @property
    def settings_file(self) -> Path:
        """The file that this was read from."""
        return self.folder / FILE

    @property
    def policy_file(self) -> Path:
        """The thresholds of the audit."""
        return self.folder / "policy.yaml"

    @property
    def concepts_file(self) -> Path:
        """The protected concepts."""
        return self.folder / "concepts.yaml"

    @property
    def references_folder(self) -> Path:
        """The protected works, perhaps with a table of their titles."""
        return self.folder / "references"


def load_campaign(name: str, root: Path = Path("campaigns")) -> Campaign:
    """Read `ROOT/NAME/campaign.yaml`.

    Raises:
        CampaignError: If there is no such campaign (the message lists those that exist), or with every problem of
            its file, each as `file:line: field: what is wrong, what to do`.
    """
    folder = root / name
    if not _NAME.fullmatch(name) or not (folder / FILE).is_file():
        existing = ", ".join(campaign_names(root)) or f"none; write {root}/NAME/{FILE}"
        raise CampaignError(f"there is no campaign {name!r} in {root}; those that exist: {existing}")
    try:
        return read_model(folder / FILE, Campaign, {"name": name, "folder": folder})
    except YamlModelError as error:
        raise CampaignError(str(error)) from error


def campaign_names(root: Path = Path("campaigns")) -> list[str]:
    """The campaigns below a folder, in order of name."""
    return sorted(file.parent.name for file in root.glob(f"*/{FILE}") if _NAME.fullmatch(file.parent.name))
