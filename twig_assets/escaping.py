"""Text from strangers, in a place that would take it for more than text: spreadsheets, Markdown, chat programs.

Prompts, titles, names of files, holders and reasons come from other people. What prints HTML escapes by its templates.
"""

import re

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
# What begins code, emphasis, a link, a picture, a cell of a table, HTML, or stands for another character.
_MARKDOWN = re.compile(r"[\\`*~|\[\]]|<|&(?=#?\w+;)")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def defused(text: str) -> str:
    """A text for a cell of a CSV file that spreadsheets do not take for a formula: it gets an apostrophe in front.

    Every CSV file that others open goes through this.

    >>> defused("=HYPERLINK(1)")
    "'=HYPERLINK(1)"
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def plain_markdown(text: str) -> str:
    r"""A text as one line of Markdown that shows it as it is, and neither fetches, hides nor runs anything.

    Dagster renders descriptions of checks and observations, and metadata of the kind Markdown, and fetches the pictures
    that stand there as soon as somebody opens the page; MLflow does so with notes of runs. HTML is written as an
    entity, since not every renderer knows a backslash before it. Characters that only turn text around are left out.

    >>> plain_markdown("![x](http://a.example/b) <img src=c>")
    '!\\[x\\](http://a.example/b) &lt;img src=c>'
    """
    return _MARKDOWN.sub(_escaped, " ".join(_CONTROL.sub("", text).split()))


def for_chat(text: str) -> str:
    r"""A text for a chat program, which shows it as it is, calls nobody and fetches no picture.

    Slack takes `<!channel>` and `<address|words>` for more than text and wants three characters as entities; programs
    that render Markdown show those too.

    >>> for_chat("<!channel> ![x](http://a.example)")
    '&lt;!channel&gt; !\\[x](http://a.example)'
    """
    entities = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return entities.replace("![", "!\\[")


def text_of(markdown: str) -> str:
    r"""What `plain_markdown` was given, line by line: for a terminal, which renders no Markdown.

    >>> text_of(plain_markdown("a [b] & <c>"))
    'a [b] & <c>'
    """
    return re.sub(r"\\([\\`*~|\[\]])|&lt;|&amp;", lambda m: m[1] or {"&lt;": "<", "&amp;": "&"}[m[0]], markdown)


def _escaped(match: re.Match[str]) -> str:
    return {"<": "&lt;", "&": "&amp;"}.get(match[0], f"\\{match[0]}")
