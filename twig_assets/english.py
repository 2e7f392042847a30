"""The indefinite article of English words, by their first letter."""


def article(word: str) -> str:
    """`an` before a, e, i and o, and `a` otherwise: by spelling, so "a umbrella", but "a unicorn" too."""
    return "an" if word[:1].lower() in tuple("aeio") else "a"


def with_article(word: str) -> str:
    """`an owl`, `a red apple`."""
    return f"{article(word)} {word}"
