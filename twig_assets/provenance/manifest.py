"""A C2PA manifest, as the library takes it: actions, ingredients, our own assertion and what others may do with it.

Source: C2PA Technical Specification 2.2 (actions, ingredients); CAWG Training and Data Mining Assertion 1.1.
"""

from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from twig_assets.provenance.statement import RELEASE_LABEL, ReleaseStatement

SourceType = Literal["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicallyEnhanced"]
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINING_LABEL = "cawg.training-mining"
_USES = ("ai_generative_training", "ai_training", "ai_inference", "data_mining")
_PARENT, _FIRST = "parent", "first-image"


class Claim(BaseModel):
    """What is said about a picture.

    Attributes:
        title: The file's name or another one that people see.
        source_type: What made it, a term of IPTC's vocabulary of digital source types.
        generator: The model's name, where it is known.
        statement: What a release says about itself; None for a file that no campaign released.
        do_not_train: Whether to say that nobody may train on it or mine it.
        label: The words of a label that was drawn on it; None without one.
        watermark: Whether an invisible mark was written into its pixels as it was signed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    source_type: SourceType = "trainedAlgorithmicMedia"
    generator: str | None = None
    statement: ReleaseStatement | None = None
    do_not_train: bool = False
    label: str | None = None
    watermark: bool = False

    @property
    def source_uri(self) -> str:
        """The source type as credentials and XMP name it."""
        return SOURCE_TYPES + self.source_type


def manifest(claim: Claim, *, brought: bool) -> dict[str, Any]:
    """The manifest of a claim.

    Args:
        claim: What is said.
        brought: Whether the picture brings credentials along, which then stay as its parent; see `parent_ingredient`.
    """
    return {
        "claim_generator_info": [generator_info()],
        "title": claim.title,
        "ingredients": _ingredients(claim),
        "assertions": [
            {"label": "c2pa.actions.v2", "created": True, "data": {"actions": _actions(claim, brought)}},
            *_own(claim),
            *_training(claim),
        ],
    }


def generator_info() -> dict[str, str]:
    """Who writes the claim: this program and its version."""
    return {"name": "twig-assets", "version": version("twig-assets")}


def parent_ingredient(title: str) -> dict[str, str]:
    """How a picture that brings credentials along is named among the ingredients."""
    return {"title": title, "relationship": "parentOf", "label": _PARENT}


def _actions(claim: Claim, brought: bool) -> list[dict[str, Any]]:
    actions = _made(claim, brought)
    if claim.watermark:
        # `bound` would ask for an assertion by which other programs read it, and only who has the key reads this one.
        words = "An invisible watermark was written into the pixels."
        actions.append({"action": "c2pa.watermarked.unbound", "description": words})
    if claim.label is not None:
        actions.append({"action": "c2pa.edited", "description": f"A visible label says {claim.label!r}."})
    return actions


def _made(claim: Claim, brought: bool) -> list[dict[str, Any]]:
    if brought:
        # A picture with a history is opened, not created a second time; what made it stays a claim of this manifest.
        parameters = {"ingredientIds": [_PARENT]}
        return [
            {"action": "c2pa.opened", "parameters": parameters},
            {"action": "c2pa.edited.metadata", "digitalSourceType": claim.source_uri},
        ]
    created: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": claim.source_uri}
    if claim.generator:
        created["softwareAgent"] = {"name": claim.generator}
    if _first_image(claim):
        created["parameters"] = {"ingredientIds": [_FIRST]}
    return [created]


def _ingredients(claim: Claim) -> list[dict[str, str]]:
    first = _first_image(claim)
    if first is None:
        return []
    return [
        {
            "title": "first image",
            "description": "The image whose shape this one avoids. It is not published; its hash alone is given.",
            "format": "image/png",
            "relationship": "inputTo",
            "instance_id": f"sha256:{first}",
            "label": _FIRST,
        }
    ]


def _first_image(claim: Claim) -> str | None:
    regeneration = claim.statement.regeneration if claim.statement else None
    return regeneration.first_image_sha256 if regeneration else None


def _own(claim: Claim) -> list[dict[str, Any]]:
    if claim.statement is None:
        return []
    data = claim.statement.model_dump(mode="json", exclude_none=True)
    return [{"label": RELEASE_LABEL, "created": True, "data": data}]


def _training(claim: Claim) -> list[dict[str, Any]]:
    if not claim.do_not_train:
        return []
    entries = {f"cawg.{use}": {"use": "notAllowed"} for use in _USES}
    return [{"label": TRAINING_LABEL, "created": True, "data": {"entries": entries}}]
