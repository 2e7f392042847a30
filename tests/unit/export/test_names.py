"""File names made of prompts."""

import pytest

from twig_assets.export.names import Names, slug


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("An owl, 3/4 view", "an-owl-3-4-view"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\Windows\\win.ini", "c-windows-win-ini"),
        ("\u202egnp.exe", "gnp-exe"),
        ("CON", "image-con"),
        ("...", "image"),
        ("猫と犬", "猫と犬"),
        ("-rf *", "rf"),
        ("a\n\tb\0c", "a-b-c"),
        ("owl" * 60, ("owl" * 60)[:60]),
    ],
)
def test_a_prompts_words_become_a_name_that_every_file_system_takes(prompt: str, name: str) -> None:
    assert slug(prompt) == name


def test_the_name_of_a_long_prompt_in_a_wide_script_is_short_enough() -> None:
    assert len(slug("猫" * 200).encode()) <= 120


def test_no_two_images_get_one_name_even_where_case_does_not_count() -> None:
    names = Names()
    given = [names.of("An owl", "ab" * 32), names.of("an OWL", "ab" * 32), names.of("an owl", "cd" * 32)]
    assert given == ["an-owl-abababababab.png", "an-owl-abababababab-2.png", "an-owl-cdcdcdcdcdcd.png"]
