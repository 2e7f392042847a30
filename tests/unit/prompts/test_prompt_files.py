"""Prompts from YAML and CSV files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.prompts import PromptError, PromptRow, batches, derived_seed, read_prompts
from twig_assets.prompts.prompt_files import MAX_SEED

DEMO = Path(__file__).parents[3] / "campaigns" / "demo"


def problems(folder: Path) -> list[str]:
    with pytest.raises(PromptError) as caught:
        read_prompts(folder)
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


def write(folder: Path, text: str, name: str = "prompts.yaml") -> None:
    (folder / name).write_bytes(text.encode())


def test_yaml_may_hold_texts_and_mappings_in_any_mix(tmp_path: Path) -> None:
    write(tmp_path, "- an owl\n- text: a fox\n  seed: 5\n- text: a bear\n")
    rows = read_prompts(tmp_path)
    assert [(r.text, r.seed, r.line) for r in rows] == [
        ("an owl", derived_seed("an owl"), 1),
        ("a fox", 5, 2),
        ("a bear", derived_seed("a bear"), 4),
    ]
    assert rows[0].file == tmp_path / "prompts.yaml"


def test_csv_needs_only_the_text_column_and_keeps_quoted_commas(tmp_path: Path) -> None:
    write(tmp_path, 'text\n"an owl, noto style"\n\na fox\n', "prompts-a.csv")
    write(tmp_path, "seed,text\n0,a bear\n ,a wolf\n", "prompts-b.csv")
    rows = read_prompts(tmp_path)
    assert [(r.text, r.line) for r in rows] == [("an owl, noto style", 2), ("a fox", 4), ("a bear", 2), ("a wolf", 3)]
    assert [r.seed for r in rows[2:]] == [0, derived_seed("a wolf")]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_bytes(b"\xef\xbb\xbftext,seed\r\nan owl,1\r\n")
    (tmp_path / "prompts.yaml").write_bytes(b"\xef\xbb\xbf- a fox\r\n")
    assert [(r.text, r.line) for r in read_prompts(tmp_path)] == [("an owl", 2), ("a fox", 1)]


def test_a_quoted_cell_over_two_lines_is_reported_at_its_first_line(tmp_path: Path) -> None:
    write(tmp_path, 'text,seed\n"an owl\nat night",1\n,2\n', "prompts.csv")
    assert problems(tmp_path) == ["prompts.csv:4: text: is empty; write what to draw or delete the entry"]


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    entries = ["an owl", "''", "text: a fox\n  sed: 3", "text: a bear\n  seed: many", "42", "yes", "seed: 1", "[a]"]
    write(tmp_path, "".join(f"- {entry}\n" for entry in entries))
    write(tmp_path, "text,seed\nan owl,\na wolf,-1\na,b,c\n", "prompts.csv")
    assert problems(tmp_path) == [
        "prompts.csv:4: row: has 3 cells but the header has 2; put a text that holds a comma in double quotes",
        "prompts.yaml:4: sed: unknown field; the fields are text, seed",
        "prompts.yaml:8: text: 'yes' reads as a yes/no value; put it in double quotes",
        "prompts.yaml:10: text: is a list; write a text, or fields named text, seed",
        f"prompts.csv:3: seed: '-1' is not a seed; write a whole number from 0 to {MAX_SEED} or leave it out",
        "prompts.yaml:2: text: is empty; write what to draw or delete the entry",
        f"prompts.yaml:6: seed: 'many' is not a seed; write a whole number from 0 to {MAX_SEED} or leave it out",
        "prompts.yaml:7: text: 42 is not a text; put it in double quotes",
        "prompts.yaml:9: text: is empty; write what to draw or delete the entry",
        f"prompts.yaml:1: text: 'an owl' is already in {tmp_path}/prompts.csv:2; delete one or give it a seed",
    ]


@pytest.mark.parametrize("second", ["an owl", "  An  OWL ", "{text: an owl}"])
def test_a_duplicate_is_refused_whatever_its_case_and_spacing(tmp_path: Path, second: str) -> None:
    write(tmp_path, f"- an owl\n- {second}\n")
    [problem] = problems(tmp_path)
    assert problem.startswith("prompts.yaml:2: text:")
    assert "already in" in problem


def test_the_same_text_may_come_again_with_another_seed_only(tmp_path: Path) -> None:
    write(tmp_path, "- {text: an owl, seed: 1}\n- {text: an owl, seed: 2}\n- an owl\n")
    assert len(read_prompts(tmp_path)) == 3
    write(tmp_path, "- {text: an owl, seed: 1}\n- {text: an owl, seed: 1}\n")
    assert len(problems(tmp_path)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a: [b\n", "prompts.yaml:2: file: is not valid YAML"),
        (b"- ok\n- \xff\xfe\n", "prompts.yaml:2: file: is not UTF-8 text"),
        (b"text: an owl\n", "prompts.yaml:1: file: must be a list"),
        (b"- text: a\n  text: b\n", "prompts.yaml:2: text: is there twice, first in line 1"),
        (b"- text: [a, b]\n", "prompts.yaml:1: text: ['a', 'b'] is not a text"),
        (b"- text: {a: b}\n", "prompts.yaml:1: text: must be a text or a list of texts"),
        (b"- {text: a, seed: 1.5}\n", "prompts.yaml:1: seed: '1.5' reads as a number"),
        (b"- {text: a, seed: 99999999999}\n", "prompts.yaml:1: seed: 99999999999 is not a seed"),
        (b"- a\n---\n- b\n", "prompts.yaml:2: file: is not valid YAML"),
        (b"[" * 5000, "prompts.yaml: file: is nested too deeply"),
        (b'- "a\\u200bb"\n', "prompts.yaml:1: text: holds an unprintable character"),
        (b"- {text: a, seed: !!int many}\n", "prompts.yaml:1: seed: is not a whole number"),
        (b"- {text: a, seed: " + b"9" * 5000 + b"}\n", "prompts.yaml:1: seed: is not a whole number"),
        (b"- !owl an owl\n", "prompts.yaml:1: text: 'an owl' reads as !owl"),
        (b"- 2026-01-01\n", "prompts.yaml:1: text: '2026-01-01' reads as a date"),
    ],
)
def test_a_malformed_yaml_file_is_reported_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "prompts.yaml").write_bytes(content)
    assert any(problem.startswith(message) for problem in problems(tmp_path)), problems(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "prompts.csv: file: is empty; start it with the header text,seed"),
        (b"prompt\nan owl\n", "prompts.csv:1: prompt: unknown column; the columns are text, seed"),
        (b"seed\n1\n", "prompts.csv:1: text: this column is missing"),
        (b"text,text\na,b\n", "prompts.csv:1: text: this column is there more than once"),
        (b'text\nan owl\n"a fox\n', "prompts.csv:3: row: is not valid CSV"),
        (b"text,seed\na," + b"9" * 5000 + b"\n", "prompts.csv:2: seed:"),
        (b"text\na\x00b\n", "prompts.csv:2: text: holds the character U+0000, which cannot be kept"),
    ],
)
def test_a_malformed_csv_file_is_reported_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "prompts.csv").write_bytes(content)
    assert any(problem.startswith(message) for problem in problems(tmp_path)), problems(tmp_path)


@pytest.mark.parametrize("content", [None, "", "# nothing yet\n", "[]\n"])
def test_a_campaign_without_prompts_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        write(tmp_path, content)
    with pytest.raises(PromptError, match="no prompts found; write some to prompts.yaml or prompts.csv"):
        read_prompts(tmp_path)


def test_a_yml_file_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    write(tmp_path, "- an owl\n", "prompts.yml")
    write(tmp_path, "- a fox\n")
    assert problems(tmp_path) == ["prompts.yml: file: is not read; rename it to end in .yaml"]


@given(st.text())
def test_a_derived_seed_is_stable_and_in_range(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert derived_seed(text) == derived_seed(text)
    assert 0 <= derived_seed(text) <= MAX_SEED


def test_the_derived_seed_of_a_text_never_changes() -> None:
    assert derived_seed("an owl") == 1929139637


def test_the_demo_has_ordinary_protected_and_planted_prompts() -> None:
    from twig_assets.model_zoo.planted import WORKS

    texts = [row.text for row in read_prompts(DEMO)]
    assert len(texts) == 28
    assert {work.title for work in WORKS} <= set(texts)


def prompt_rows(count: int) -> list[PromptRow]:
    return [PromptRow(f"prompt {i}", i, Path("prompts.yaml"), i + 1) for i in range(count)]


@given(st.integers(0, 300), st.integers(1, 64))
def test_batches_hold_every_prompt_once_and_in_order(count: int, size: int) -> None:
    cut = batches(prompt_rows(count), "demo", size)
    assert [row for _, part in cut for row in part] == prompt_rows(count)
    assert all(len(part) == size for _, part in cut[:-1])
    assert [key for key, _ in cut] == [f"demo-{i:03d}" for i in range(len(cut))]
    assert all(part for _, part in cut)


@pytest.mark.parametrize("size", [0, -1, 65])
def test_a_batch_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="batch_size: .* choose 1 to 64"):
        batches(prompt_rows(3), "demo", size)
