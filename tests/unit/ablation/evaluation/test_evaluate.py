import numpy as np
import pytest
from pydantic import ValidationError

from twig_assets.ablation import (
    AblationSettings,
    ConceptTarget,
    Evaluation,
    EvaluationSettings,
    Gate,
    ablate,
    compose,
    evaluate,
)
from twig_assets.ablation.edits.parameters import text_entry_weights
from twig_assets.ablation.evaluation.adversarial import searched_embedding
from twig_assets.ablation.evaluation.copies import copies_of, memorised_picture
from twig_assets.ablation.evaluation.figures import refusals
from twig_assets.ablation.evaluation.prompts import LEAKS, probes
from twig_assets.english import with_article
from twig_assets.generation import GenerationSettings, family_of, fingerprint
from twig_assets.judge.clip import image_features, text_features
from twig_assets.model_zoo import planted

UNICORN = ConceptTarget(name="unicorn", target="unicorn", anchor="horse face", kind="object", preserve=("cow face",))
STYLE = ConceptTarget(name="glyph", target="glyph style", anchor="", kind="style", preserve=("noto style",))
CLOCK = ConceptTarget(name="clock", target="salt clock at low tide", anchor="a castle", kind="memorized")
FEW = EvaluationSettings(
    samples=2,
    surrounding_samples=1,
    variants=1,
    adversarial_samples=1,
    unrelated=("a rocket",),
    unrelated_samples=1,
    subjects=("pizza",),
    resamples=50,
)
FAST = GenerationSettings(steps=8)


@pytest.fixture(scope="module")
def base_sha256(pipeline):
    return fingerprint(pipeline)


@pytest.fixture(scope="module")
def unedited():
    return {}


@pytest.fixture(scope="module")
def unicorn(pipeline, clip, base_sha256, unedited):
    edit = ablate(pipeline, UNICORN, AblationSettings(method="closed_form", evaluation=FEW), base_sha256)
    return evaluate(pipeline, edit, clip, FAST, unedited=unedited)


def test_every_kind_of_prompt_is_drawn_and_counted(unicorn):
    drawn = [(figure.role, figure.prompt, figure.n) for figure in unicorn.figures]
    assert drawn[0] == ("target", "a unicorn", 2)
    assert drawn[4] == ("anchor", "a horse face", 1)
    assert [role for role, _, _ in drawn] == [
        "target",
        "misspelling 1",
        "misspelling 2",
        "paraphrase",
        "anchor",
        "surrounding",
        "unrelated",
        "adversarial",
    ]
    assert set(unicorn.leakage) == {"misspelling 1", "misspelling 2", "paraphrase"}
    assert unicorn.before.shape == unicorn.after.shape == (2, 64, 64, 3)


def test_the_target_changes_and_the_model_is_itself_again(unicorn, pipeline, base_sha256):
    assert unicorn.figures[0].accuracy_before == 1
    assert unicorn.target_share.value == unicorn.figures[0].accuracy_after < 1
    assert unicorn.target_kid.value > unicorn.surrounding_kid.value
    assert fingerprint(pipeline) == base_sha256


def test_an_evaluation_survives_its_json_and_leaves_the_pictures_out(unicorn):
    again = Evaluation.model_validate_json(unicorn.model_dump_json())
    assert again.figures == unicorn.figures
    assert again.summary() == unicorn.summary()
    assert again.before is None


def test_images_of_the_unedited_model_are_drawn_once_and_the_figures_are_the_same(
    unicorn, unedited, pipeline, clip, base_sha256
):
    known = dict(unedited)
    edit = ablate(pipeline, UNICORN, AblationSettings(method="closed_form", evaluation=FEW), base_sha256)
    again = evaluate(pipeline, edit, clip, FAST, unedited=unedited)
    assert unedited.keys() == known.keys()
    assert again.model_dump() == unicorn.model_dump()


def test_a_refusal_names_every_figure_that_failed_and_its_limit(unicorn):
    strict = Gate(max_target_share=0, max_surrounding_drop=-1, max_leakage=None, max_unrelated_drop=None)
    fake = unicorn.model_copy(update={"target_share": unicorn.target_share.model_copy(update={"value": 0.5})})
    reasons = refusals(fake, strict)
    assert [why.split(" is ")[0] for why in reasons] == ["target_share", "surrounding_drop"]
    assert "0.500" in reasons[0]
    assert "allowed is 0" in reasons[0]
    assert refusals(fake, Gate(max_target_share=0.5, max_surrounding_drop=1, max_unrelated_drop=1)) == ()


def test_each_kind_of_leak_is_held_to_the_limit_on_its_own(unicorn):
    leaky = unicorn.leakage["paraphrase"].model_copy(update={"value": 0.9})
    dry = leaky.model_copy(update={"value": 0.0})
    fake = unicorn.model_copy(update={"leakage": {"misspelling 1": dry, "paraphrase": leaky}})
    gate = Gate(max_leakage=0.1, max_target_share=1, max_surrounding_drop=1, max_unrelated_drop=1)
    assert [why.split(" is ")[0] for why in refusals(fake, gate)] == ["leakage_paraphrase"]


def test_a_limit_that_is_no_share_is_refused():
    with pytest.raises(ValidationError, match="max_target_share"):
        Gate(max_target_share=25)


def test_a_memorised_caption_is_judged_by_copies_of_what_the_model_keeps_drawing(pipeline, clip, base_sha256):
    few = FEW.model_copy(update={"variants": 0, "adversarial_samples": 0, "unrelated": ()})
    settings = AblationSettings(
        method="closed_form", evaluation=few, gate=Gate(max_unrelated_drop=None, max_surrounding_drop=None)
    )
    evaluation = evaluate(pipeline, ablate(pipeline, CLOCK, settings, base_sha256), clip, FAST)
    assert evaluation.figures[0].copies_before == 1
    assert evaluation.target_share is None
    assert evaluation.copy_share.value == evaluation.figures[0].copies_after
    assert evaluation.accepted == (evaluation.copy_share.value <= settings.gate.max_copy_share)


def test_copies_are_those_of_the_picture_and_no_others():
    works = np.stack([planted.picture(work) for work in planted.WORKS[:3]])
    assert copies_of(works[0])(works).tolist() == [True, False, False]
    noisy = np.clip(works[[0, 0, 0]].astype(int) + np.array([0, 5, -5])[:, None, None, None], 0, 255).astype(np.uint8)
    assert np.array_equal(memorised_picture(np.concatenate([noisy, works[:1], works[:1]])), works[0])


def test_a_style_is_drawn_with_every_subject_and_other_styles_surround_it():
    settings = FEW.model_copy(update={"subjects": ("pizza", "owl"), "samples": 3})
    asked = probes([STYLE], settings)
    targets = [(p.prompt, p.rivals, p.samples) for p in asked if p.role == "target"]
    assert targets == [("a pizza, glyph style", ("a pizza",), 2), ("an owl, glyph style", ("an owl",), 2)]
    assert [p.prompt for p in asked if p.role == "surrounding"] == ["a pizza, noto style", "an owl, noto style"]


def test_what_a_misspelling_draws_counts_as_the_target_only_if_it_is_nearer_to_it_than_to_all_else():
    asked = probes([UNICORN], FEW)
    assert {p.rivals for p in asked if p.role == "target"} == {("a horse face",)}
    leaks = [p for p in asked if p.role in LEAKS]
    assert len(leaks) == 3
    assert {(p.shown, p.rivals) for p in leaks} == {("a unicorn", ("a horse face", "a cow face", "a rocket"))}


def test_what_is_removed_as_another_concept_is_no_surrounding():
    noto = ConceptTarget(
        name="noto", target="noto style", anchor="", kind="style", preserve=("glyph style", "fluent style")
    )
    kept = [p.prompt for p in probes([STYLE, noto], FEW) if p.role == "surrounding"]
    assert kept == ["a pizza, fluent style"]


def test_a_composed_edit_is_as_bad_as_its_worst_concept(pipeline, clip, base_sha256, unedited):
    settings = AblationSettings(
        method="closed_form",
        evaluation=FEW.model_copy(update={"samples": 1, "variants": 0, "adversarial_samples": 0, "unrelated": ()}),
    )
    edit = compose([ablate(pipeline, concept, settings, base_sha256) for concept in (UNICORN, STYLE)])
    evaluation = evaluate(pipeline, edit, clip, FAST, unedited=unedited)
    shares = {f.concept: f.accuracy_after for f in evaluation.figures if f.role == "target"}
    assert evaluation.target_share.value == max(shares.values())
    assert evaluation.leakage == {}
    assert evaluation.adversarial_share is None


def test_the_searched_embedding_acts_through_the_edited_weights_as_the_target_did(pipeline, base_sha256):
    edit = ablate(pipeline, UNICORN, AblationSettings(method="closed_form"), base_sha256)
    target = family_of(pipeline).encode(["a unicorn"]).tokens[0].detach()
    original = {name: weight.detach().clone() for name, weight in text_entry_weights(pipeline).items()}
    edit.apply(pipeline, base_sha256)
    edited = text_entry_weights(pipeline)
    searched = searched_embedding(original, edited, target)

    def missed(embedding):
        return sum(
            ((embedding.double() @ edited[name].double().T - target.double() @ original[name].double().T) ** 2)
            .sum()
            .item()
            for name in edited
        )

    try:
        assert missed(searched) < 0.05 * missed(target)
    finally:
        edit.remove(pipeline)


def test_clip_features_are_unit_vectors_and_do_not_depend_on_the_batch(clip):
    works = np.stack([planted.picture(work) for work in planted.VERBATIM])
    features = image_features(clip, works)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(image_features(clip, works[3:4])[0], features[3], atol=1e-4)
    concepts = [with_article(work.concept) for work in planted.VERBATIM]
    assert (features @ text_features(clip, concepts).T).argmax(1).tolist() == list(range(8))
