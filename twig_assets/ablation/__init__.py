"""Removing concepts from a text-to-image model."""

from twig_assets.ablation.ablate import ablate
from twig_assets.ablation.applying import apply, remove
from twig_assets.ablation.concept_edit import ConceptEdit, compose
from twig_assets.ablation.errors import AnchorError, EditError, TrainingError
from twig_assets.ablation.evaluate import Evaluation, evaluate
from twig_assets.ablation.token_pairs import IndistinctConceptError
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

__all__ = [
    "AblationSettings",
    "AnchorError",
    "ConceptEdit",
    "ConceptTarget",
    "Evaluation",
    "EditError",
    "IndistinctConceptError",
    "TrainingError",
    "ablate",
    "apply",
    "compose",
    "evaluate",
    "remove",
]
