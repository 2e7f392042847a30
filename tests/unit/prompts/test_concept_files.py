"""Protected concepts from YAML and CSV files."""

from pathlib import Path

import pytest

from twig_assets.prompts import ConceptRow, PromptError, read_concepts

DEMO = Path(__file__).parents[3] / "campaigns" / "demo"
GOOD = "- {target: pouting cat, anchor: cat face, kind: object, aliases: [angry cat], preserve: [lion, dog face]}\n"


def problems(tmp_path: Path, text: str, name: str = "concepts.yaml") -> list[str]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PromptError) as caught:
        read_concepts(path)
    return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_yaml_and_csv_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text(GOOD, encoding="utf-8")
    table = "target,anchor,kind,aliases,preserve\npouting cat,cat face,object,angry cat,lion; dog face\n"
    (tmp_path / "concepts.csv").write_text(table, encoding="utf-8")
    wanted = ConceptRow("pouting-cat", "pouting cat", "cat face", "object", ["angry cat"], ["lion", "dog face"])
    assert read_concepts(tmp_path / "concepts.yaml") == read_concepts(tmp_path / "concepts.csv") == [wanted]


def test_a_style_may_have_an_empty_anchor(tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text("- {target: glyph style, anchor: '', kind: style}\n", encoding="utf-8")
    assert read_concepts(tmp_path / "concepts.yaml")[0].anchor == ""


def test_a_campaign_may_protect_nothing(tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text("# none yet\n", encoding="utf-8")
    assert read_concepts(tmp_path / "concepts.yaml") == []


def test_the_demo_protects_objects_and_a_memorised_work() -> None:
    assert {row.kind for row in read_concepts(DEMO / "concepts.yaml")} == {"memorized", "object"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{target: a cat, anchor: a dog, kind: animal}", "kind: 'animal' is not a kind of concept; write one"),
        ("{target: a cat, anchor: a dog}", "kind: '' is not a kind of concept"),
        ("{target: '', anchor: a dog, kind: object}", "target: is empty"),
        ("{anchor: a dog, kind: object}", "target: is empty"),
        ("{target: a cat, kind: object}", "anchor: is empty"),
        ("{target: a cat, anchor: A Cat, kind: object}", "anchor: is the same as the target"),
        ("{target: a cat, anchor: a dog, kind: object, aliases: [a dog]}", "aliases: 'a dog' is the target or"),
        ("{target: a cat, anchor: a dog, kind: object, preserve: [a cat]}", "preserve: 'a cat' is to be removed"),
        ("{target: cat, anchor: dog, kind: object, preserve: [a cat]}", "preserve: 'a cat' has 'cat' in it"),
        ("{target: a cat, anchor: a dog, kind: object, preserve: 3}", "preserve: 3 is not a list of texts"),
        ("{target: 7, anchor: a dog, kind: object}", "target: 7 is not a text"),
        ("{target: a cat, anchor: a dog, kind: object, name: A Cat!}", "name: 'A Cat!' cannot name a concept"),
        ("{target: 猫, anchor: a dog, kind: object}", "name: '' cannot name a concept"),
        ("{target: a cat, anchor: a dog, kind: object, colour: red}", "colour: unknown field"),
    ],
)
def test_a_bad_concept_is_reported_with_line_and_field(tmp_path: Path, entry: str, message: str) -> None:
    messages = problems(tmp_path, f"# concepts\n- {entry}\n")
    assert any(problem.startswith(f"concepts.yaml:2: {message}") for problem in messages), messages


def test_a_name_or_target_used_twice_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD + GOOD) == [
        "concepts.yaml:2: name: 'pouting-cat' is already in line 1; keep one",
        "concepts.yaml:2: target: 'pouting cat' is already in line 1; keep one",
    ]


def test_a_missing_file_is_message_by_name(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="nowhere.yaml: file: cannot be read"):
        read_concepts(tmp_path / "nowhere.yaml")
