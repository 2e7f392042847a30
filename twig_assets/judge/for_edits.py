"""What a judge does for concept edits: it judges them, and finds the concepts that surround a target."""

from functools import partial
from pathlib import Path
from typing import Any

from twig_assets.judge.unjudged import Unjudged
from twig_assets.settings.judge import EMBEDDED, JudgeSettings


def clip_of(chosen: JudgeSettings, folder: Path) -> Any:
    """The judge's model and processor; where nobody judges, what says so.

    Args:
        chosen: The judge.
        folder: What a relative folder name is relative to.

    Raises:
        JudgeError: If it cannot be opened.
    """
    from twig_assets.judge.opening import open_judge

    return Unjudged() if chosen.nobody else open_judge(chosen, folder).clip


def text_vectors_of(chosen: JudgeSettings, folder: Path) -> Any:
    """What finds surrounding concepts: a judge of the user's; None leaves it to the model's own text encoder."""
    from twig_assets.judge.clip import text_features

    own = chosen.nobody or chosen.checkpoint == EMBEDDED
    return None if own else partial(text_features, clip_of(chosen, folder))
