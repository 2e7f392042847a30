"""`twig prompts`: a file of prompts made from pictures and passed through a campaign's check."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from twig_assets.campaign import Campaign
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.english import with_article
from twig_assets.judge.clip import image_features, text_features
from twig_assets.judge.judge import Judge
from twig_assets.judge.opening import open_judge
from twig_assets.prompts import PromptRow, check_prompts, derived_seed
from twig_assets.prompts.captioner import captions_from, load_captioner
from twig_assets.settings.judge import EMBEDDED, JudgeSettings
from twig_assets.similarity.corpus.decode import decode, read_file
from twig_assets.similarity.corpus.files import files_below
from twig_assets.similarity.corpus.references import is_note

TEMPLATES = ("{caption}", "a sticker of {caption}", "a drawing of {caption} on a white background")


class AutomaticPromptsError(ValueError):
    """Prompts that cannot be made or written; the message says what to do."""


def write_prompts(
    images: Path, out: Path, campaign: Campaign, templates: Sequence[str] | None = None, captioner: str | None = None
) -> dict[str, str]:
    """Caption pictures, expand the captions, replace protected words by their anchors, and write the prompts.

    Args:
        images: A picture, or a folder of pictures.
        out: A YAML file that does not exist yet.
        campaign: The campaign whose concepts and works are protected.
        templates: Texts with `{caption}`; TEMPLATES when None or empty.
        captioner: Folder or hub id of an image-to-text model; the campaign's judge and its vocabulary when None.

    Returns:
        Each prompt that was written to `out` -> what it was before protected words were replaced.

    Raises:
        AutomaticPromptsError: If there is no picture, or `out` exists.
        DecodeError: If a picture cannot be read.
        JudgeError: If the judge cannot be opened.
        CaptionerError: If the captioner cannot be opened or does not caption.
        CorpusError: If the campaign's table of references cannot be read.
        PromptError: If a prompt names a protected title, for which there is no anchor.
    """
    if out.exists():
        raise AutomaticPromptsError(f"{out} exists; its prompts may have images, so write to another file")
    paths = [images] if images.is_file() else [file.path for file in files_below(images) if not is_note(file.path)]
    if not paths:
        raise AutomaticPromptsError(f"{images}: no picture to make prompts from; name a picture or a folder of some")
    pictures = [decode(read_file(path)).pixels for path in paths]
    if captioner is None:
        judge = _judge_of(campaign)
        captions = nearest_names(pictures, judge.clip, judge.names)
    else:
        captions = captions_from(pictures, load_captioner(captioner))
    texts = expanded(captions, templates or TEMPLATES)
    rows = [PromptRow(text, derived_seed(text), out, i + 1) for i, text in enumerate(texts)]
    settings = campaign.prompt_check.model_copy(update={"protected": "rewrite"})
    checked = check_prompts(rows, terms_of(campaign), settings)
    prompts = {after.row.text: before.text for after, before in zip(checked, rows, strict=True)}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(yaml.safe_dump(list(prompts), allow_unicode=True, width=10_000), encoding="utf-8")
    return prompts


def _judge_of(campaign: Campaign) -> Judge:
    """The campaign's judge; the embedded one where nobody judges, since a picture's caption does not need one."""
    chosen = campaign.chosen_judge
    return open_judge(JudgeSettings(checkpoint=EMBEDDED) if chosen.nobody else chosen, campaign.folder)


def nearest_names(images: Sequence[np.ndarray], clip: Any, vocabulary: Sequence[str]) -> list[str]:
    """For each image the name that CLIP finds nearest, with its article: `an owl`.

    Args:
        images: uint8 arrays (h, w, 3) of any size.
        clip: A CLIP model and its processor.
        vocabulary: Names of things; nothing else can be in a caption.
    """
    names = [with_article(name.lower()) for name in vocabulary]
    words = text_features(clip, names)
    return [names[int((words @ image_features(clip, image[None])[0]).argmax())] for image in images]


def expanded(texts: Sequence[str], templates: Sequence[str] = TEMPLATES) -> list[str]:
    """Every caption in every template, each prompt once.

    Raises:
        ValueError: If a template does not hold `{caption}`.
    """
    for template in templates:
        if "{caption}" not in template:
            raise ValueError(f"template {template!r} has no {{caption}}; write where the caption goes")
    return list(dict.fromkeys(template.replace("{caption}", text) for text in texts for template in templates))
