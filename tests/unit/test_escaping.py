import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from twig_assets.escaping import for_chat, plain_markdown, text_of

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
HOSTILE = [
    "![x](http://127.0.0.1:3000/graphql?query=mutation)",
    "[read me](javascript:alert(1))",
    "<img src=http://127.0.0.1:3000/>",
    "<script>alert(1)</script>",
    "<http://127.0.0.1:3000/>",
    "![x][1]\n\n[1]: http://127.0.0.1:3000/",
    "a `code` | *b* ~~c~~ \\![x](y)",
    "&lt;img src=x&gt; &#33;[x](y)",
    "![x\u202e](http://127.0.0.1:3000/)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_becomes_text_only(text: str) -> None:
    html = MARKDOWN.render(f"- {plain_markdown(text)}")
    assert set(re.findall(r"<(\w+)", html)) <= {"ul", "li"}, html


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_stays_one_cell(text: str) -> None:
    html = MARKDOWN.render(f"| a | b |\n|---|---|\n| {plain_markdown(text)} | 1 |")
    assert html.count("<td>") == 2
    assert "<img" not in html


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])))
def test_the_text_comes_back(text: str) -> None:
    assert text_of(plain_markdown(text)) == text


def test_a_message_for_a_chat_calls_nobody_and_fetches_nothing() -> None:
    text = for_chat("<!channel> <http://a.example|harmless> ![x](http://a.example) a & b")
    html = MARKDOWN.render(text)
    assert "<" not in text
    assert "<img" not in html
    assert "a &amp; b" in html
