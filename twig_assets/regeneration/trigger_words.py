"""A memorised prompt without the words that bring its picture back.

A model that has memorised the picture of a prompt mostly knows what the prompt is about from elsewhere too. What brings
the picture back are some unusual words, the trigger, each of which may do so without the others. So the prompt is put
together again from left to right, and a word stays only if the picture does not appear with it. Nothing is known of
the language but that spaces stand between its words.
"""

import re
from collections.abc import Callable

_PUNCTUATION = re.compile(r"[,;:.!?]+$")


def without_trigger(prompt: str, shown: Callable[[str], float], threshold: float) -> str:
    """The prompt without the words with which the memorised picture appears.

    If it appears with every word, the one with which it appears least is left: without any text a model draws what it
    knows best, and that may be another memorised picture.

    Args:
        prompt: The prompt; words are what spaces separate. Punctuation after a word stays where the word goes.
        shown: How far a model that is given this text shows the picture; called once for every word.
        threshold: From how much on it appears.
    """
    kept: list[str] = []
    least = (float("inf"), "")
    for word in prompt.split():
        much = shown(" ".join([*kept, word]))
        least = min(least, (much, word))
        if much < threshold:
            kept.append(word)
        elif (mark := _PUNCTUATION.search(word)) and kept:
            kept[-1] = _PUNCTUATION.sub("", kept[-1]) + mark.group()
    return " ".join(kept) or least[1]
