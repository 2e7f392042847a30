"""Judges of the user's: CLIPs and SigLIPs in folders."""

import json
import shutil

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from twig_assets.judge.clip import image_features, text_features
from twig_assets.judge.embedded import embedded_judge
from twig_assets.judge.files import JudgeError
from twig_assets.judge.identity import judge_sha256
from twig_assets.judge.opening import open_judge
from twig_assets.model_zoo import planted
from twig_assets.settings.judge import JudgeSettings, judge_for

PROMPTS = ["an owl", "a shoe on a shelf", "a rocket in noto style, blue background", "the winter of the kings"]


def named(folder):
    return JudgeSettings(checkpoint=str(folder))


@pytest.fixture(scope="module")
def pictures():
    return np.stack([planted.picture(work) for work in planted.WORKS[:4]])


def test_a_copy_of_the_embedded_judge_is_that_judge(embedded_folder, pictures):
    assert judge_sha256(named(embedded_folder)) == judge_sha256("embedded")
    copied = open_judge(named(embedded_folder))
    assert copied.shown(list(pictures), PROMPTS) == embedded_judge().shown(list(pictures), PROMPTS)


@pytest.mark.parametrize("kind", ["random_clip", "random_siglip"])
def test_any_clip_or_siglip_gives_unit_vectors_that_do_not_depend_on_the_batch(kind, request, pictures):
    clip = open_judge(named(request.getfixturevalue(kind))).clip
    images, texts = image_features(clip, pictures), text_features(clip, [*PROMPTS, "a word " * 100])
    for vectors, alone in ((images, image_features(clip, pictures[2:3])), (texts, text_features(clip, PROMPTS[2:3]))):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(vectors[2], alone[0], atol=1e-5)


def test_a_prompt_that_names_no_listed_subject_is_compared_itself(random_clip, pictures):
    judge = open_judge(named(random_clip))
    assert [a.subjects for a in judge.asked(PROMPTS)] == [("owl",), (PROMPTS[1],), ("rocket",), (PROMPTS[3],)]
    shown = judge.shown(list(pictures), PROMPTS)
    assert all(s.margin is not None and -2 <= s.margin <= 2 for s in shown)
    image, text = image_features(judge.clip, pictures[1:2])[0], text_features(judge.clip, [PROMPTS[1]])[0]
    assert shown[1].own == pytest.approx(float(image @ text))


def test_what_was_judged_does_not_depend_on_the_other_prompts(random_clip, pictures):
    judge = open_judge(named(random_clip))
    together = judge.shown(list(pictures), PROMPTS)
    alone = [judge.shown([image], [prompt])[0] for image, prompt in zip(pictures, PROMPTS, strict=True)]
    assert [s.margin for s in together] == pytest.approx([s.margin for s in alone], abs=1e-5)


def test_the_hash_follows_weights_tokenizer_and_processor_and_not_how_they_are_stored(random_clip, tmp_path):
    folder = shutil.copytree(random_clip, tmp_path / "copy")
    own = judge_sha256(named(random_clip))
    assert judge_sha256(named(folder)) == own
    weights = load_file(folder / "model.safetensors")
    halves = {name: w for i, (name, w) in enumerate(sorted(weights.items())) if i % 2}
    save_file(halves, folder / "model-00001-of-00002.safetensors")
    save_file({n: w for n, w in weights.items() if n not in halves}, folder / "model-00002-of-00002.safetensors")
    (folder / "model.safetensors").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "transformers_version": "1"}))
    assert judge_sha256(named(folder)) == own
    processor = json.loads((folder / "processor_config.json").read_text())
    processor["image_processor"]["image_mean"] = [0, 0, 0]
    (folder / "processor_config.json").write_text(json.dumps(processor))
    other = judge_sha256(named(folder))
    assert other != own
    save_file({name: w + 1 for name, w in halves.items()}, folder / "model-00001-of-00002.safetensors")
    assert judge_sha256(named(folder)) not in (own, other)


def test_weights_in_bfloat16_that_lose_nothing_are_the_same_weights(random_clip, tmp_path):
    folders = [shutil.copytree(random_clip, tmp_path / name) for name in ("single", "half")]
    weights = {name: w.bfloat16() for name, w in load_file(random_clip / "model.safetensors").items()}
    save_file({name: w.float() for name, w in weights.items()}, folders[0] / "model.safetensors")
    save_file(weights, folders[1] / "model.safetensors")
    assert judge_sha256(named(folders[0])) == judge_sha256(named(folders[1]))


def test_what_cannot_judge_is_refused_by_its_kind_with_what_can(random_clip, tmp_path):
    folder = shutil.copytree(random_clip, tmp_path / "bert")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(JudgeError, match="is a 'bert'; give one of these kinds: clip, siglip"):
        open_judge(named(folder))


def test_a_judge_that_lacks_weights_or_has_pickled_ones_is_refused(random_clip, tmp_path):
    folder = shutil.copytree(random_clip, tmp_path / "part")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: w for name, w in weights.items() if name != "visual_projection.weight"}, folder / "model.safetensors"
    )
    with pytest.raises(JudgeError, match="lacks 1 weights, visual_projection.weight"):
        open_judge(named(folder))
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(JudgeError, match="no safetensors"):
        open_judge(named(folder))


def test_a_judge_that_is_nowhere_is_an_error_with_what_to_give(tmp_path):
    with pytest.raises(JudgeError, match="no folder below .* cannot be had from the model hub"):
        judge_sha256(JudgeSettings(checkpoint="nobody/nothing", revision="main"), tmp_path)


def test_a_name_alone_is_a_judge_and_an_embedded_one_has_no_revision():
    assert JudgeSettings.model_validate("some/clip") == JudgeSettings(checkpoint="some/clip")
    with pytest.raises(ValidationError, match="no revisions"):
        JudgeSettings(checkpoint="embedded", revision="main")


def test_a_foreign_checkpoint_is_unjudged_unless_a_judge_is_named():
    assert judge_for("embedded", None).name == "embedded"
    assert judge_for("some/model", None).nobody
    assert judge_for("some/model", JudgeSettings(checkpoint="a/b", revision="c")).name == "a/b@c"
