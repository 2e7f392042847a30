"""Opening the judge that a campaign names: the embedded one, or a CLIP or SigLIP through transformers."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoProcessor

from twig_assets.judge.clip import Clip
from twig_assets.judge.embedded import embedded_judge
from twig_assets.judge.files import JudgeError, configuration, judge_folder, weights_files
from twig_assets.judge.identity import is_embedded
from twig_assets.judge.judge import Judge
from twig_assets.judge.vocabulary import Vocabulary
from twig_assets.model_zoo.art import BACKGROUNDS, STYLES, aliases, concept_names
from twig_assets.settings.judge import EMBEDDED, JudgeSettings

KINDS = ("clip", "siglip", "siglip2", "chinese_clip", "altclip", "align")
"""The `model_type` of models that give images and texts vectors to be compared."""

_CAPTIONS = ("{subject}", "a photo of {subject}", "a drawing of {subject}", "a picture of {subject}")


def open_judge(judge: JudgeSettings, folder: Path | None = None) -> Judge:
    """Open a judge; it is kept for the life of the process.

    Args:
        judge: Which one; not `none`.
        folder: What a relative folder name is relative to.

    Raises:
        JudgeError: If it cannot be found or read, or is of a kind that does not compare images with texts.
    """
    if judge.checkpoint == EMBEDDED:
        return embedded_judge()
    if judge.nobody:
        raise JudgeError("the judge is `none`, so nobody judges; name one in campaign.yaml")
    files = judge_folder(judge, folder)
    return embedded_judge() if is_embedded(files) else _opened(files)


@lru_cache(maxsize=1)
def _opened(folder: Path) -> Judge:
    return Judge(open_clip(folder), general_vocabulary())


def open_clip(folder: Path) -> Clip:
    """Open a CLIP or SigLIP in float32, on a GPU where there is one, with its processor.

    Raises:
        JudgeError: If the folder holds no such model with all its weights.
    """
    check_kind(folder)
    weights_files(folder)
    try:
        # With output_loading_info it returns a pair, which its annotation leaves out.
        opened: Any = AutoModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        model, loading = opened
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers and safetensors raise many unrelated types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise JudgeError(f"judge {folder} cannot be opened: {reason}. Save or download it again.") from error
    missing = sorted(loading["missing_keys"])
    if missing:
        raise JudgeError(f"judge {folder} lacks {len(missing)} weights, {missing[0]} among them; download it again")
    if not hasattr(processor, "tokenizer"):
        raise JudgeError(f"judge {folder} has no tokenizer; save its whole processor")
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), processor


def check_judge(judge: JudgeSettings, folder: Path | None = None) -> None:
    """Refuse a judge that cannot be opened, by its small files; of a repository no weights are fetched.

    Args:
        judge: Which one.
        folder: What a relative folder name is relative to.

    Raises:
        JudgeError: With what to give instead.
    """
    if judge.nobody or judge.checkpoint == EMBEDDED:
        return
    files = judge_folder(judge, folder, weights=False)
    check_kind(files)
    if (folder or Path()) / Path(judge.checkpoint).expanduser() == files:
        weights_files(files)
    try:
        processor = AutoProcessor.from_pretrained(files, local_files_only=True)
    except Exception as error:  # transformers raises many unrelated types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise JudgeError(f"judge {files}: its processor cannot be opened: {reason}. Save it whole.") from error
    if not hasattr(processor, "tokenizer"):
        raise JudgeError(f"judge {files} has no tokenizer; save its whole processor")


def check_kind(folder: Path) -> None:
    """Refuse, by its configuration alone, what does not compare images with texts.

    Raises:
        JudgeError: With what it is, and what can judge.
    """
    kind = configuration(folder).get("model_type")
    if kind not in KINDS:
        raise JudgeError(f"judge {folder} is a {kind!r}; give one of these kinds: {', '.join(KINDS)}")


def general_vocabulary() -> Vocabulary:
    """What a judge of the user's compares with: everyday subjects, and each prompt that names none of them.

    A prompt of its own is not a rival of others, so that a new prompt does not change what was judged before.
    """
    frame = {"background", "style", *STYLES, *(word for ground in BACKGROUNDS for word in re.findall(r"\w+", ground))}
    named = aliases()
    return Vocabulary(
        subjects={name: tuple(named.get(name, ())) for name in concept_names()},
        captions=_CAPTIONS,
        frame=frozenset(frame),
        known_from=None,
    )
