"""Removing concepts from a text-to-image model."""

from twig_assets.ablation.ablate import ablate
from twig_assets.ablation.applying import apply, remove
from twig_assets.ablation.compose import compose
from twig_assets.ablation.concept_edit import ConceptEdit
from twig_assets.ablation.errors import AnchorError, EditError, TrainingError
from twig_assets.ablation.evaluate import evaluate
from twig_assets.ablation.evaluate_figures import Evaluation
from twig_assets.ablation.token_pairs import IndistinctConceptError
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
    "apply",
    "compose",
    "evaluate",
    "remove",
]
