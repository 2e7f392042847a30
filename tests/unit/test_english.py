import pytest

from twig_assets.english import with_article


@pytest.mark.parametrize(
    ("name", "expected"), [("owl", "an owl"), ("red apple", "a red apple"), ("unicorn", "a unicorn")]
)
def test_the_article_fits_the_name(name: str, expected: str) -> None:
    assert with_article(name) == expected
