"""The check before work: all problems of all files at once, and no weight is read."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from safetensors.torch import save_file

from tests.unit.generation.families.pipelines import small
from twig_assets.campaign import CampaignError, load_campaign
from twig_assets.campaign.check import CheckFailedError, check_campaign, machine, require_sound
from twig_assets.campaign.check.findings import Checked
from twig_assets.campaign.check.machine import check_machine
from twig_assets.campaign.speeds import remember_seconds
from twig_assets.generation.family import family_of
from twig_assets.generation.skeleton import skeleton
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.loading import WEIGHTS


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    folder = tmp_path / "campaigns" / "small"
    (folder / "references").mkdir(parents=True)
    shutil.copy(Path("campaigns/demo/references") / f"{planted.WORKS[0].slug}.png", folder / "references")
    write(folder.parent)
    (folder / "prompts.yaml").write_text("- an owl\n- a rocket\n")
    (folder / "concepts.yaml").write_text("- {name: cat, target: pouting cat, anchor: cat face, kind: object}\n")
    (folder / "policy.yaml").write_text("")
    return folder.parent


def write(root, **settings):
    (root / "small" / "campaign.yaml").write_text(yaml.safe_dump({"title": "Small", **settings}))


@pytest.fixture
def bare(root):
    """A checkpoint whose files of weights hold none: whoever opens it fails."""
    folder = root / "small" / "bare"
    shutil.copytree(WEIGHTS / "pipeline", folder)
    for weights in folder.rglob("*.safetensors"):
        save_file({}, weights)
    return folder


def test_a_sound_campaign_has_no_problems_and_says_what_it_takes(root):
    checked = check_campaign("small", root)
    assert checked.problems == []
    assert any("4 images of 64 x 64 px" in note and "not known yet" in note for note in checked.notes)
    remember_seconds(load_campaign("small", root), 90.0)
    # Four images of the prompts, and those that judge the edit of the one concept.
    assert any("and 124 that judge edits" in note for note in checked.notes)
    assert any("took 90.0 s here before, so all take about 3.2 hours" in n for n in check_campaign("small", root).notes)
    write(root, judge="none")
    assert any("and 16 that judge edits" in note for note in check_campaign("small", root).notes)
    (root / "small" / "concepts.yaml").write_text("[]\n")
    assert not any("that judge edits" in note for note in check_campaign("small", root).notes)


def test_no_weights_are_read(root, bare):
    write(root, checkpoint="bare")
    assert check_campaign("small", root).problems == []


def test_every_problem_of_every_file_is_said_at_once(root, bare):
    write(
        root,
        checkpoint="bare",
        judge="nowhere/at-all",
        segmenter={"kind": "vit_b", "checkpoint": "no/such/sam.pth"},
        generation={"guidance_scale": 1.0},
        regeneration={"strategy": "delay"},
    )
    (root / "small" / "prompts.yaml").write_text("- an owl\n- " + "a very long list of words " * 20 + "\n")
    (root / "small" / "policy.yaml").write_text("ssim_threshold: 7\n")
    said = "\n".join(check_campaign("small", root).problems)
    for part in (
        "no/such/sam.pth: no such checkpoint",
        "judge 'nowhere/at-all' is no folder",
        "guidance_scale 1 leaves no guidance",
        "prompts.yaml:2: text: prompt 'a very long list",
        "policy.yaml:1: ssim_threshold",
    ):
        assert part in said


def test_what_is_wrong_with_the_settings_does_not_hide_what_is_wrong_elsewhere(root):
    write(root, checkpiont="typo")
    (root / "small" / "concepts.yaml").write_text("- {name: cat, target: pouting cat}\n")
    (root / "small" / "references").rename(root / "small" / "elsewhere")
    said = "\n".join(check_campaign("small", root).problems)
    assert "checkpiont: unknown field" in said
    assert "concepts.yaml" in said
    assert "references" in said


def test_weights_that_are_missing_or_cut_off_are_told_beside_all_else(root, bare):
    (bare / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    for weights in (bare / "unet").glob("*.safetensors"):
        weights.write_bytes((WEIGHTS / "pipeline" / "unet" / weights.name).read_bytes()[:-100])
    write(root, checkpoint="bare", scheduler="NoSuchScheduler", loras=["my/lora.safetensors"], vae="../another")
    (root / "small" / "prompts.yaml").write_text("- " + "a very long list of words " * 20 + "\n")
    said = "\n".join(check_campaign("small", root).problems)
    for part in (
        "bare/vae: there is no .safetensors file with weights",
        "; download or save it again",
        "diffusers has no scheduler 'NoSuchScheduler'",
        "lora 'my/lora.safetensors' is not there",
        "vae '../another' is not there",
        "prompts.yaml:1: text: prompt 'a very long list",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ('{"_class_name": "KandinskyPipeline"}', "is a KandinskyPipeline, which cannot be used"),
        ("{", "cannot be opened"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_told_by_its_index(root, bare, index, says):
    (bare / "model_index.json").write_text(index)
    write(root, checkpoint="bare")
    assert says in "\n".join(check_campaign("small", root).problems)


@pytest.mark.parametrize(
    ("checkpoint", "method", "says"),
    [
        ("model", "fast", "a ZImagePipeline has no text encoder that can be trained; choose another method than fast"),
        ("model", "noise_based", "a model that predicts 'flow_prediction' cannot be fine-tuned"),
        ("model", "closed_form", None),
        ("embedded", "fast", None),
    ],
)
def test_a_method_that_cannot_work_with_the_model_is_told_if_something_is_protected(root, checkpoint, method, says):
    small("z_image").save_pretrained(root / "small" / "model")
    write(root, checkpoint=checkpoint, ablation={"method": method})
    told = [
        problem for problem in check_campaign("small", root).problems if "campaign.yaml: ablation: method: " in problem
    ]
    assert [says in problem for problem in told] == ([True] if says else [])
    (root / "small" / "concepts.yaml").write_text("[]\n")
    assert not any("ablation" in problem for problem in check_campaign("small", root).problems)


def test_a_negative_prompt_without_guidance_is_told_with_its_place(root):
    small("flux_2_klein", is_distilled=True).save_pretrained(root / "small" / "model")
    write(root, checkpoint="model", ablation={"method": "closed_form"}, generation={"negative_prompt": "blurred"})
    problems = check_campaign("small", root).problems
    assert any("campaign.yaml: generation: negative_prompt: a negative prompt needs" in problem for problem in problems)


def test_a_scheduler_that_cannot_be_steered_is_told_before_any_edit(root, bare):
    write(root, checkpoint="bare", scheduler={"name": "DPMSolverSDEScheduler"})
    assert "DPMSolverSDEScheduler" in "\n".join(check_campaign("small", root).problems)


def test_a_foreign_checkpoint_without_a_judge_is_noted_as_unjudged(root, bare):
    write(root, checkpoint="bare")
    assert any("unjudged" in note for note in check_campaign("small", root).notes)


def test_an_unreadable_work_is_noted_and_no_readable_one_is_a_problem(root):
    (root / "small" / "references" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    checked = check_campaign("small", root)
    assert checked.problems == []
    assert any("broken.png: " in note and "protects nothing" in note for note in checked.notes)
    (root / "small" / "references" / f"{planted.WORKS[0].slug}.png").unlink()
    assert any("no readable reference" in problem for problem in check_campaign("small", root).problems)


def test_weights_that_do_not_fit_are_a_problem(root):
    campaign = load_campaign("small", root)
    bones = skeleton("embedded")
    checked = Checked()
    check_machine(campaign, [], replace(bones, weights_bytes=2**50), checked)
    assert "set `dtype: bfloat16`" in checked.problems[0]


def test_work_that_the_system_would_end_is_refused_before_it_begins(root, bare, monkeypatch):
    write(root, checkpoint="bare", generation={"height": 1024, "width": 1024}, device="cpu")
    [note] = [note for note in check_campaign("small", root).notes if "all work about" in note]
    assert "are free" in note
    monkeypatch.setattr(machine, "free_memory", lambda: 2.0**28)
    monkeypatch.setattr(machine.psutil, "swap_memory", lambda: SimpleNamespace(free=0))
    [problem] = check_campaign("small", root).problems
    assert "campaign.yaml: checkpoint: its weights take" in problem
    assert "256 MiB are free" in problem
    assert "close other programs; set a smaller `generation:" in problem
    monkeypatch.setattr(machine.psutil, "swap_memory", lambda: SimpleNamespace(free=2**40))
    checked = check_campaign("small", root)
    assert checked.problems == []
    assert any("which is tight" in note for note in checked.notes)


def test_a_run_is_refused_with_all_of_it(root):
    write(root, segmenter={"kind": "vit_b", "checkpoint": "no/such/sam.pth"}, generation={"height": 63})
    with pytest.raises(CheckFailedError) as refused:
        require_sound(load_campaign("small", root))
    assert "sam.pth" in str(refused.value)
    assert "multiples of 4" in str(refused.value)


def test_there_has_to_be_such_a_campaign(root):
    with pytest.raises(CampaignError, match="those that exist: small"):
        check_campaign("large", root)


def test_a_skeleton_says_of_a_model_what_the_model_itself_says(pipeline):
    bones, family = skeleton("embedded").family, family_of(pipeline)
    for of in (bones, family):
        assert (of.prompt_limit, of.native_size, of.reduction) == (32, (64, 64), 4)
    assert bones.token_ids("a pouting cat") == family.token_ids("a pouting cat")
    assert list(bones.text_entries()) == list(family.text_entries())
    assert bones.capabilities == family.capabilities
