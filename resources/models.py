"""The models: loaded when first asked for and kept for the life of the process.

Dagster makes a new copy of every resource for every run, so what is kept lies in this module and not in the resource.
"""

from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg

from twig_assets.campaign import Campaign
from twig_assets.catalog.models import Model
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.settings.home import models_bytes, quiet_model_libraries

# The pipelines that are open, the one that was used last at the end.
_OPEN: OrderedDict[tuple[str, Path, str], tuple[Any, str]] = OrderedDict()


class ModelResource(dg.ConfigurableResource):
    """Opens the campaign's checkpoint, its segmenter and its judge."""

    def base(self, campaign: Campaign) -> tuple[Any, str]:
        """The unedited pipeline and its fingerprint; raises CheckpointError."""
        from twig_assets.ablation import remove

        pipeline, base_sha256 = _checkpoint(campaign.checkpoint, campaign.folder, campaign.opening.model_dump_json())
        remove(pipeline)
        return pipeline, base_sha256

    def composed(self, campaign: Campaign, weights: dict[str, bytes]) -> Any:
        """The pipeline with edits applied.

        Args:
            campaign: Whose checkpoint to open.
            weights: SHA-256 -> content of the safetensors file of every edit.
        """
        from twig_assets.ablation.serving import serve_edits

        pipeline, base_sha256 = _checkpoint(campaign.checkpoint, campaign.folder, campaign.opening.model_dump_json())
        serve_edits(pipeline, base_sha256, weights)
        return pipeline

    def serving(self, campaign: Campaign, model: Model, store: ArtifactStore) -> Any:
        """The pipeline with the edits of the model that serves; raises an error of the store if a file is gone.

        Args:
            campaign: Whose checkpoint to open.
            model: The row of the model.
            store: Holds the files of its edits.

        Raises:
            NotMaterializedError: If what the checkpoint's name stands for has become another model since, as by
                another scheduler in its folder: its images must not bear the old one's name.
        """
        opened = _checkpoint(campaign.checkpoint, campaign.folder, campaign.opening.model_dump_json())[1]
        if opened != model.base_sha256:
            raise NotMaterializedError(
                f"campaign {campaign.name!r}: checkpoint {campaign.checkpoint!r} is another model ({opened[:12]}) "
                f"than when composed_model was made ({model.base_sha256[:12]}); materialize ablated_models and "
                f"composed_model"
            )
        return self.composed(campaign, {key: store.read(key, "safetensors") for key in model.applied})

    def segmenter(self, campaign: Campaign) -> Any:
        """The Segment Anything model that the campaign names."""
        chosen = campaign.segmenter
        return _segmenter(chosen.kind, chosen.checkpoint, campaign.device, chosen.revision)

    def judge(self, campaign: Campaign) -> Any:
        """The campaign's judge; raises JudgeError, also where the campaign has none."""
        from twig_assets.judge.opening import open_judge

        quiet_model_libraries()
        return open_judge(campaign.chosen_judge, campaign.folder)

    def clip(self, campaign: Campaign) -> Any:
        """The model and processor of the campaign's judge; where nobody judges, what says so. Raises JudgeError."""
        from twig_assets.judge.for_edits import clip_of

        quiet_model_libraries()
        return clip_of(campaign.chosen_judge, campaign.folder)

    def text_vectors(self, campaign: Campaign) -> Any:
        """What finds surrounding concepts: a judge of the user's; None leaves it to the model's own text encoder."""
        from twig_assets.judge.for_edits import text_vectors_of

        quiet_model_libraries()
        return text_vectors_of(campaign.chosen_judge, campaign.folder)


def _checkpoint(checkpoint: str, folder: Path, opening: str) -> tuple[Any, str]:
    """A pipeline and its fingerprint, kept open as far as the memory for models goes; raises CheckpointError."""
    key = (checkpoint, folder, opening)
    if key not in _OPEN:
        from twig_assets.generation import OpeningSettings, fingerprint, load_checkpoint

        quiet_model_libraries()
        pipeline = load_checkpoint(checkpoint, folder, OpeningSettings.model_validate_json(opening))
        _OPEN[key] = (pipeline, fingerprint(pipeline))
    _OPEN.move_to_end(key)
    while len(_OPEN) > 1 and sum(_size(pipeline) for pipeline, _ in _OPEN.values()) > models_bytes():
        _OPEN.popitem(last=False)
    return _OPEN[key]


def _size(pipeline: Any) -> int:
    """Bytes of a pipeline's weights."""
    modules = [part for part in pipeline.components.values() if hasattr(part, "parameters")]
    return sum(weight.numel() * weight.element_size() for module in modules for weight in module.parameters())


@lru_cache(maxsize=1)
def _segmenter(kind: Any, checkpoint: Path | None, device: str | None, revision: str | None) -> Any:
    from twig_assets.segmentation import load_segmenter, segmenter_device

    return load_segmenter(kind, checkpoint, segmenter_device(kind, device), revision)
