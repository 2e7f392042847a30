from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from twig_assets.prompts import PromptError, read_concepts, read_prompts
from twig_assets.settings.yaml_models import YamlModelError, read_model

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(8)
)


class Settings(BaseModel):
    model_config = ConfigDict(extra="ignore")

    share: float = 0.5
    count: int = 1
    name: str = ""
    parts: list[dict[str, float]] = []


def message(tmp_path: Path, text: str | bytes) -> str:
    file = tmp_path / "settings.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(YamlModelError) as raised:
        read_model(file, Settings)
    return str(raised.value).replace(str(file), "F")


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1e999", "'inf'", "'nan'"])
def test_a_number_that_is_not_finite_is_refused_with_its_line(tmp_path: Path, number: str) -> None:
    assert message(tmp_path, f"name: a\nshare: {number}").startswith("F:2: share: ")


def test_a_number_deep_inside_is_found(tmp_path: Path) -> None:
    assert message(tmp_path, "parts:\n- weight: 1\n- weight: .inf").startswith("F:3: parts.1.weight: inf is not")


@pytest.mark.parametrize("number", ["9" * 20, "-" + "9" * 30, "9" * 5000, f"'{'9' * 25}'"])
def test_a_whole_number_that_nothing_can_hold_is_refused(tmp_path: Path, number: str) -> None:
    assert message(tmp_path, f"count: {number}").startswith("F")


@pytest.mark.parametrize("text", [r"a\0b", r"\ud800", r"\x1b[2J"])
def test_characters_that_cannot_be_kept_are_refused(tmp_path: Path, text: str) -> None:
    assert "F:1: name: holds the character U+" in message(tmp_path, f'name: "{text}"')


def test_aliases_of_aliases_are_refused_before_they_are_written_out(tmp_path: Path) -> None:
    assert message(tmp_path, BOMB) == (
        "F: file: stands for far more values than it holds, through aliases of aliases; write them out"
    )


def test_an_alias_inside_itself_is_refused(tmp_path: Path) -> None:
    assert "inside of what it stands for" in message(tmp_path, "parts: &a [*a]")


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "settings.yaml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(YamlModelError, match="has more than 4 MiB"):
        read_model(tmp_path / "settings.yaml", Settings)


def test_some_aliases_are_fine(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("a: &a {weight: 1.5}\nparts: [*a, *a, *a]")
    assert read_model(tmp_path / "settings.yaml", Settings).parts == [{"weight": 1.5}] * 3


def test_prompts_are_bounded_too(tmp_path: Path) -> None:
    (tmp_path / "prompts.yaml").write_text('- &a [a, b]\n- *a\n- text: "a cat"\n  seed: 99999999999999999999\n')
    (tmp_path / "prompts_2.csv").write_bytes(b"text,seed\na dog\x00,1\n" + b"x" * 30_000 + b",2\n")
    with pytest.raises(PromptError) as raised:
        read_prompts(tmp_path)
    lines = str(raised.value).replace(f"{tmp_path}/", "").splitlines()
    assert "prompts.yaml:4: seed: is too large a whole number; write one of at most 18 digits" in lines
    assert "prompts_2.csv:2: text: holds the character U+0000, which cannot be kept; type it again" in lines
    assert "prompts_2.csv:3: text: has 30,000 characters; write at most 20,000" in lines


def test_a_bomb_of_prompts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prompts.yaml").write_text(
        "- &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"- &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(8))
    )
    with pytest.raises(PromptError, match="aliases of aliases"):
        read_prompts(tmp_path)


def test_concepts_hold_no_character_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text('- target: "a \\ud800 cat"\n  kind: object\n  anchor: a dog\n')
    with pytest.raises(PromptError, match="concepts.yaml:1: target: holds the character U\\+D800"):
        read_concepts(tmp_path / "concepts.yaml")
