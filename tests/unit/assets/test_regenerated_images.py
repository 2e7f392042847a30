import dagster as dg
import pytest

from twig_assets.assets.regenerated_images import _check_neutral
from twig_assets.campaign import load_campaign


@pytest.mark.parametrize(("neutral", "named"), [("a lanttern", "lantern"), ("a red apple", "red apple")])
def test_a_neutral_prompt_that_names_what_is_protected_is_refused(tmp_path, neutral, named):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "campaign.yaml").write_text(f"title: Mine\nregeneration: {{neutral: {neutral}}}\n")
    (folder / "concepts.yaml").write_text("- {target: egg, anchor: stone, kind: object}\n")
    _check_neutral(load_campaign("mine", tmp_path))
    (folder / "concepts.yaml").write_text(f"- {{target: {named}, anchor: stone, kind: object}}\n")
    with pytest.raises(dg.Failure) as refused:
        _check_neutral(load_campaign("mine", tmp_path))
    assert f"regeneration.neutral: {neutral!r} names what is protected ({named})" in str(refused.value.description)
