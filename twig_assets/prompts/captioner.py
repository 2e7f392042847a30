"""Captions of pictures by an image-to-text model that the user names, such as BLIP or GIT."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

Captioner: TypeAlias = tuple[Any, Any]
MOST_TOKENS = 30
_BATCH = 8


class CaptionerError(ValueError):
    """A captioning model that cannot be opened or does not caption; the message says what to do."""


def load_captioner(source: str) -> Captioner:
    """Open an image-to-text model and its processor, from safetensors only.

    Args:
        source: A folder that `save_pretrained` wrote, or the id of a repository on the model hub.

    Raises:
        CaptionerError: If it cannot be found or read, is no image-to-text model, or lacks weights.
    """
    try:
        processor = AutoProcessor.from_pretrained(source)
        # With output_loading_info it returns a pair, which its annotation leaves out.
        opened: Any = AutoModelForImageTextToText.from_pretrained(
            source, use_safetensors=True, output_loading_info=True
        )
        model, loading = opened
    except Exception as error:  # transformers, the hub client and safetensors raise many unrelated types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        kind = "a folder" if Path(source).is_dir() else "neither a folder nor a model that the hub has"
        raise CaptionerError(
            f"captioner {source!r} ({kind}) cannot be opened: {reason}. Give a folder or hub id of an image-to-text "
            f"model with safetensors and its processor, such as BLIP or GIT."
        ) from error
    missing = sorted(loading["missing_keys"])
    if missing:
        raise CaptionerError(
            f"captioner {source!r} lacks {len(missing)} weights, {missing[0]} among them; save or download it again"
        )
    return model, processor


@torch.no_grad()
def captions_from(images: Sequence[np.ndarray], captioner: Captioner) -> list[str]:
    """Caption pictures greedily: the likeliest token each time, and no pair of adjacent tokens twice.

    Args:
        images: uint8 arrays (h, w, 3) of any size.
        captioner: What `load_captioner` opened.

    Raises:
        CaptionerError: If the model needs more than a picture, or gives some no caption (they are numbered from 1).
    """
    model, processor = captioner
    captions: list[str] = []
    for at in range(0, len(images), _BATCH):
        try:
            inputs = processor(images=list(images[at : at + _BATCH]), return_tensors="pt").to(model.device)
            tokens = model.generate(
                **inputs, max_new_tokens=MOST_TOKENS, do_sample=False, num_beams=1, no_repeat_ngram_size=2
            )
        except (ValueError, TypeError) as error:
            raise CaptionerError(
                f"the captioner {type(model).__name__} does not caption from a picture alone: {error}; name one that "
                f"does, such as BLIP or GIT"
            ) from error
        captions += [_tidy(text) for text in processor.batch_decode(tokens, skip_special_tokens=True)]
    missing = [str(i + 1) for i, caption in enumerate(captions) if not caption]
    if missing:
        raise CaptionerError(
            f"the captioner gives picture {', '.join(missing)} no caption; leave it out or name another captioner"
        )
    return captions


def _tidy(text: str) -> str:
    return " ".join(text.split()).rstrip(" .")
