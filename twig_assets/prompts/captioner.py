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
        # What it declares leaves out that it gives a pair when asked for this.
        opened: Any = AutoModelForImageTextToText.from_pretrained(
            source, use_safetensors=True, output_loading_info=True
        )
        model, loading = opened
    except Exception as error:  # transformers, the hub client and safetensors raise many unrelated types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        where = "a folder" if Path(source).is_dir() else "neither a folder here nor a model that the hub gave"
        raise CaptionerError(
            f"captioner {source!r} ({where}) cannot be opened: {reason}. Give a folder or hub id of an image-to-text "
            f"model with safetensors and its processor, such as BLIP or GIT."
        ) from error
    lacking = sorted(loading["missing_keys"])
    if lacking:
        raise CaptionerError(
            f"captioner {source!r} lacks {len(lacking)} weights, {lacking[0]} among them; save or download it again"
        )
    return model, processor


@torch.no_grad()
def described(images: Sequence[np.ndarray], captioner: Captioner) -> list[str]:
    """What the model says of each picture, without ornament: the likeliest word each time, no phrase twice.

    Args:
        images: uint8 arrays (h, w, 3) of any size.
        captioner: What `load_captioner` opened.

    Raises:
        CaptionerError: If the model wants more than a picture, or says nothing of one, by its number from 1.
    """
    model, processor = captioner
    said: list[str] = []
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
        said += [_tidy(text) for text in processor.batch_decode(tokens, skip_special_tokens=True)]
    silent = [str(i + 1) for i, text in enumerate(said) if not text]
    if silent:
        raise CaptionerError(f"the captioner says nothing of picture {', '.join(silent)}; leave it out or name another")
    return said


def _tidy(text: str) -> str:
    return " ".join(text.split()).rstrip(" .")
