"""A memorised prompt without the words that bring its picture back.

A model that has memorised the picture of a prompt mostly knows what the prompt is about from elsewhere too. What brings
the picture back are some unusual words, the trigger, each of which may do so without the others. So the prompt is put
together again from left to right, and a word stays only if the picture does not appear with it. Nothing is known of
the language but that spaces stand between its words.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_PUNCTUATION = re.compile(r"[,;:.!?]+$")

Shown = Callable[[Sequence[int], Sequence[str]], Sequence[float]]
"""How far a model that is given these texts shows the pictures of the prompts at these positions."""


def without_triggers(prompts: Sequence[str], shown: Shown, threshold: float) -> list[str]:
    """Prompts without the words with which their memorised pictures appear.

    If a picture appears with every word, the one with which it appears least is left: without any text a model draws
    what it knows best, and that may be another memorised picture.

    Args:
        prompts: The prompts; words are what spaces separate. Punctuation after a word stays where the word goes.
        shown: Called once for the first word of all prompts, once for the second, and so on, since a model is quicker
            with several texts at once.
        threshold: From how much on a picture appears.
    """
    reduced = [_Reduced() for _ in prompts]
    words = [prompt.split() for prompt in prompts]
    for number in range(max(map(len, words), default=0)):
        at = [i for i, each in enumerate(words) if number < len(each)]
        scores = shown(at, [" ".join([*reduced[i].kept, words[i][number]]) for i in at])
        for i, score in zip(at, scores, strict=True):
            reduced[i].add(words[i][number], score, threshold)
    return [each.text for each in reduced]


@dataclass
class _Reduced:
    """The words of a prompt that stay, of those looked at so far.

    Attributes:
        kept: They.
        least: How far the picture appeared with the word with which it did so least, and that word.
    """

    kept: list[str] = field(default_factory=list)
    least: tuple[float, str] = (float("inf"), "")

    def add(self, word: str, score: float, threshold: float) -> None:
        self.least = min(self.least, (score, word))
        if score < threshold:
            self.kept.append(word)
        elif (mark := _PUNCTUATION.search(word)) and self.kept:
            self.kept[-1] = _PUNCTUATION.sub("", self.kept[-1]) + mark.group()

    @property
    def text(self) -> str:
        return " ".join(self.kept) or self.least[1]
