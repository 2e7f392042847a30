"""The judge of the embedded models: their CLIP, with the concepts that it was trained on."""

import re
from functools import cache

from twig_assets.judge.judge import Judge
from twig_assets.judge.vocabulary import Vocabulary
from twig_assets.model_zoo import load_clip
from twig_assets.model_zoo.art import BACKGROUNDS, STYLES, aliases, concept_names
from twig_assets.model_zoo.loading import WEIGHTS

# A CLIP with the same text tower; its image tower has seen fewer of the generator's own faults.
_SECOND = WEIGHTS / "judge"
_CAPTION = "{subject}, %s style on a %s background"
# A prompt that names a known subject reaches 0.48 at the least with that subject, an invented title 0.12 at the most.
_KNOWN_FROM = 0.35


def embedded_vocabulary() -> Vocabulary:
    """The concepts of the embedded models, each in every style on every ground."""
    named = aliases()
    frame = {"background", "style", *STYLES, *(word for ground in BACKGROUNDS for word in re.findall(r"\w+", ground))}
    return Vocabulary(
        subjects={name: tuple(named.get(name, ())) for name in concept_names()},
        captions=tuple(_CAPTION % (style, ground) for style in STYLES for ground in BACKGROUNDS),
        frame=frozenset(frame),
        known_from=_KNOWN_FROM,
    )


@cache
def embedded_judge() -> Judge:
    """The embedded CLIP as a judge, with its second image tower; both are opened once in a process."""
    return Judge(load_clip(), embedded_vocabulary(), load_clip(_SECOND))
