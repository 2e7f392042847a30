"""The models: loaded when first asked for and kept for the life of the process."""

from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from twig_assets.campaigns import Campaign


class ModelResource(dg.ConfigurableResource):
    """Opens the campaign's checkpoint, its segmenter and the CLIP that judges edits."""

    _base: tuple[str, Any, str] | None = PrivateAttr(default=None)
    _applied: str = PrivateAttr(default="")
    _segmenter: tuple[str, Any] | None = PrivateAttr(default=None)
    _clip: Any = PrivateAttr(default=None)

    def base(self, campaign: Campaign) -> tuple[Any, str]:
        """The unedited pipeline and its fingerprint; raises CheckpointError."""
        from twig_assets.ablation import remove
        from twig_assets.generation import fingerprint, load_checkpoint

        if self._base is None or self._base[0] != campaign.checkpoint:
            pipeline = load_checkpoint(campaign.checkpoint, campaign.folder)
            self._base = (campaign.checkpoint, pipeline, fingerprint(pipeline))
        remove(self._base[1])
        self._applied = ""
        return self._base[1], self._base[2]

    def composed(self, campaign: Campaign, weights: dict[str, bytes]) -> Any:
        """The pipeline with edits applied.

        Args:
            campaign: Whose checkpoint to open.
            weights: SHA-256 -> content of the safetensors file of every edit.
        """
        from twig_assets.ablation import ConceptEdit, apply, compose

        wanted = ",".join(sorted(weights))
        if self._base is not None and self._base[0] == campaign.checkpoint and self._applied == wanted and wanted:
            return self._base[1]
        pipeline, base_sha256 = self.base(campaign)
        if weights:
            apply(pipeline, compose([ConceptEdit.from_bytes(weights[key]) for key in sorted(weights)]), base_sha256)
            self._applied = wanted
        return pipeline

    def segmenter(self, campaign: Campaign) -> Any:
        """The Segment Anything model that the campaign names."""
        from twig_assets.segmentation import load_segmenter

        choice = campaign.segmenter
        name = f"{choice.kind}:{choice.checkpoint or ''}"
        if self._segmenter is None or self._segmenter[0] != name:
            self._segmenter = (name, load_segmenter(choice.kind, choice.checkpoint))
        return self._segmenter[1]

    def clip(self) -> Any:
        """The embedded CLIP model and processor."""
        from twig_assets.model_zoo import load_clip

        if self._clip is None:
            self._clip = load_clip()
        return self._clip
