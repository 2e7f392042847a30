"""Accuracy figures are what a person would count by hand."""

from twig_assets.bench.models.recognition import Named, concept_top1, rows, style_top1

GENERATED = [
    Named(("owl", "noto"), "owl", "noto"),
    Named(("owl", "glyph"), "bat", "glyph"),
    Named(("owl", "fluent"), "bat", "noto"),
    Named(("fox", "noto"), "fox", "noto"),
]
REAL = [Named(("owl", "noto"), "owl", "noto"), Named(("owl", "glyph"), "owl", "noto")]


def test_top1_is_the_share_of_pictures_named_right() -> None:
    assert concept_top1(GENERATED) == 0.5
    assert style_top1(GENERATED) == 0.75


def test_rows_compare_generated_with_real_and_name_what_a_concept_is_taken_for() -> None:
    records = rows("concept", REAL, GENERATED, lambda picture: picture.pair[0])
    assert records[0] == {
        "kind": "concept",
        "group": "owl",
        "images": 3,
        "concept_top1": 1 / 3,
        "style_top1": 2 / 3,
        "real_concept_top1": 1.0,
        "real_style_top1": 0.5,
        "taken_for": {"bat": 2},
    }
    assert records[1]["taken_for"] == {}
