"""What an ablation method is, and finding one by its name.

A method NAME is the module `methods/NAME.py` with a `METHOD`, and its name in `settings.ablation.Method`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from twig_assets.ablation.edits.concept_edit import ConceptEdit, EditPart
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings, ConceptTarget, Method

# uint8 images (n, H, W, 3) -> bool (n,): which of them reproduce a memorised picture.
IsCopy: TypeAlias = Callable[[np.ndarray], np.ndarray]
# Called with the number of steps done and the loss of the last one.
OnStep: TypeAlias = Callable[[int, float], None]


@dataclass(frozen=True)
class AblationTask:
    """What a method is asked for.

    Attributes:
        pipeline: The unedited model; a method leaves it as it is.
        concept: What is removed, with surrounding concepts; the text encoder distinguishes it from its anchor.
        settings: Method and weights.
        base_sha256: The model's fingerprint.
        folder: Where a training keeps its state; the same task goes on from there. Nothing is kept when None.
        is_copy: Which images reproduce a memorised picture; None where that is not known.
        on_step: Called with the steps done and the loss while training.
    """

    pipeline: Pipeline
    concept: ConceptTarget
    settings: AblationSettings
    base_sha256: str
    folder: Path | None = None
    is_copy: IsCopy | None = None
    on_step: OnStep | None = None


class AblationMethod(Protocol):
    """A way of computing edits. The same task gives the same bytes."""

    def problem(self, pipeline: Pipeline) -> str | None:
        """Why it cannot work with a model of this kind, with what to do instead; None if it can. Reads no weights."""
        ...

    def remove_concept(self, task: AblationTask) -> EditPart:
        """Compute the removal of the task's concept.

        Raises:
            AnchorError: If captions or images of the anchor are of no use.
            TrainingError: If a training comes to nothing, or the folder holds another one.
        """
        ...

    def compose(self, edit: ConceptEdit, pipeline: Pipeline | None, on_step: OnStep | None) -> ConceptEdit:
        """Make one edit of the merged parts of several that this method computed.

        Args:
            edit: All parts, in the order of their concepts' names.
            pipeline: The unedited model; None where the caller has none.
            on_step: Called with the steps done and the loss while training.

        Raises:
            EditError: If the parts do not compose, or only with the model.
            TrainingError: If a training comes to nothing.
        """
        ...


def method_of(name: Method) -> AblationMethod:
    """The method of this name."""
    method: AblationMethod = import_module(f"{__package__}.{name}").METHOD
    return method
