"""Removing concepts from a text-to-image model."""

from twig_assets.ablation.ablate import ablate, compose
from twig_assets.ablation.edits.applying import applied_sources, apply, remove
from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.ablation.errors import AnchorError, EditError, TrainingError
from twig_assets.ablation.evaluation.evaluate import evaluate
from twig_assets.ablation.evaluation.figures import Evaluation
from twig_assets.ablation.prompts.token_pairs import IndistinctConceptError
from twig_assets.settings.ablation import AblationSettings, ConceptTarget
from twig_assets.settings.evaluation import EvaluationSettings, Gate

__all__ = [
    "AblationSettings",
    "AnchorError",
    "ConceptEdit",
    "ConceptTarget",
    "EditError",
    "Evaluation",
    "EvaluationSettings",
    "Gate",
    "IndistinctConceptError",
    "TrainingError",
    "ablate",
    "applied_sources",
    "apply",
    "compose",
    "evaluate",
    "remove",
]
