"""The models of a campaign, by their configurations: whether they can do what the settings ask of them."""

from collections.abc import Sequence

from twig_assets.ablation.methods.method import method_of
from twig_assets.campaign import Campaign
from twig_assets.campaign.check.findings import Checked
from twig_assets.generation.family import Capability
from twig_assets.generation.generate import PromptTooLongError, check_lengths
from twig_assets.generation.sampling import image_size
from twig_assets.generation.skeleton import Skeleton, skeleton
from twig_assets.judge.opening import check_judge
from twig_assets.prompts import PromptRow, read_concepts
from twig_assets.regeneration.regenerate import settings_problems
from twig_assets.segmentation.segmenter import check_segmenter
from twig_assets.similarity.corpus.references import corpus_files


def check_models(campaign: Campaign, prompts: Sequence[PromptRow], checked: Checked) -> Skeleton | None:
    """Add what the campaign's models cannot do, and return the generator without its weights, if it can be known."""
    place = campaign.settings_file
    with checked.collecting():
        check_segmenter(campaign.segmenter.kind, campaign.segmenter.checkpoint, campaign.segmenter.revision)
    with checked.collecting():
        check_judge(campaign.chosen_judge, campaign.folder)
    if campaign.chosen_judge.nobody:
        checked.notes.append(
            f"{place}: judge: there is none for this checkpoint, so images and edits are unjudged: edits are refused, "
            f"and images wait for a person; name a CLIP or SigLIP"
        )
    bones = None
    with checked.collecting():
        bones = skeleton(campaign.checkpoint, campaign.folder, campaign.opening)
    if bones is not None:
        for problem in bones.problems:
            checked.add(f"{place}: {problem}")
        _check_settings(campaign, bones, checked)
        _check_prompts(prompts, bones, checked)
    return bones


def _check_settings(campaign: Campaign, bones: Skeleton, checked: Checked) -> None:
    place, generation, family = campaign.settings_file, campaign.generation, bones.family
    unfit = method_of(campaign.ablation.method).problem(bones.pipeline) if _protects(campaign) else None
    if unfit:
        checked.add(f"{place}: ablation: method: {unfit}")
    try:
        image_size(family, generation)
    except ValueError as error:
        checked.add(f"{place}: generation: {error}")
        return
    with checked.collecting(f"{place}: generation: negative_prompt: "):
        if generation.negative_prompt:
            family.require(Capability.GUIDANCE, "a negative prompt")
            check_lengths(family, [generation.negative_prompt])
    with checked.collecting(f"{place}: masks: source: "):
        if campaign.masks.source == "bright_ending":
            family.require(Capability.CROSS_ATTENTION, "the mask source 'bright_ending'")
    works = 0
    with checked.collecting():
        works = len(corpus_files(campaign.references_folder))
    for problem in settings_problems(family, campaign.regeneration, generation, works):
        checked.add(f"{place}: regeneration: {problem}")


def _protects(campaign: Campaign) -> bool:
    """Whether there are concepts to remove; what is wrong with their file is said elsewhere."""
    try:
        return bool(read_concepts(campaign.concepts_file))
    except ValueError:
        return False


def _check_prompts(prompts: Sequence[PromptRow], bones: Skeleton, checked: Checked) -> None:
    for row in prompts:
        try:
            check_lengths(bones.family, [row.text])
        except PromptTooLongError as error:
            checked.add(f"{row.file}:{row.line}: text: {error}")
