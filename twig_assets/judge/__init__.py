"""Whether an image shows what was asked for: `as_asked`, `not_as_asked`, or that nobody here can tell."""

from twig_assets.judge.verdict import AdherenceVerdict, adherence_verdict
from twig_assets.judge.vocabulary import Asked, Vocabulary

__all__ = ["AdherenceVerdict", "Asked", "Vocabulary", "adherence_verdict"]
