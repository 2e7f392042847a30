"""Captions of the anchor that a language model writes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from twig_assets.ablation.errors import AnchorError
from twig_assets.ablation.training_state import seed_of
from twig_assets.settings.ablation import CaptionWriterSettings, ConceptTarget, names

_AT_ONCE = 16


def written_captions(
    concept: ConceptTarget,
    task: str,
    examples: Sequence[str],
    must_contain: str,
    settings: CaptionWriterSettings,
    seed: int,
) -> list[str]:
    """Let the model continue a list of captions until there are enough that can be used.

    Args:
        concept: No caption may name its target or an alias.
        task: The line above the list, which says what it is a list of.
        examples: The list's first entries.
        must_contain: A word or phrase that every caption must contain, whole and in any case; empty for none.
        settings: The model and how it is sampled.
        seed: The same seed gives the same captions.

    Returns:
        `settings.captions` different captions.

    Raises:
        AnchorError: If the model cannot be opened, or writes too few captions that can be used; the message says why
            the others cannot.
    """
    captions: dict[str, str] = {}
    faults: Counter[str] = Counter()
    budget = settings.captions * settings.tries
    for caption in _lines(task, examples, settings, seed, budget):
        fault = _fault(caption, concept, must_contain)
        if caption.casefold() in captions:
            fault = "were there before"
        if fault:
            faults[fault] += 1
            continue
        captions[caption.casefold()] = caption
        if len(captions) == settings.captions:
            return list(captions.values())
    reasons = ", ".join(f"{count} {fault}" for fault, count in faults.most_common())
    raise AnchorError(
        f"concept {concept.name!r}: {settings.checkpoint} wrote {len(captions)} of the {settings.captions} captions "
        f"asked for; of {budget} lines {reasons}. Ask for fewer, name a larger model, or give an anchor_prompts_file"
    )


def _fault(caption: str, concept: ConceptTarget, must_contain: str) -> str:
    if not caption:
        return "were empty"
    if must_contain and not names(caption, must_contain):
        return f"lacked {must_contain!r}"
    if any(names(caption, word) for word in (concept.target, *concept.aliases)):
        return "named the target"
    return ""


@torch.no_grad()
def _lines(task: str, examples: Sequence[str], settings: CaptionWriterSettings, seed: int, count: int) -> Iterator[str]:
    """`count` entries that the model puts next on the list, each written on its own, without the mark in front."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(settings.checkpoint)
        model: Any = AutoModelForCausalLM.from_pretrained(settings.checkpoint, use_safetensors=True)
    except Exception as error:  # transformers, the hub client and safetensors raise many unrelated types
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise AnchorError(
            f"language model {settings.checkpoint!r} cannot be opened: {reason}. Give a folder that `save_pretrained` "
            f"wrote with safetensors, or a hub id this machine can reach"
        ) from error
    request = tokenizer("\n".join([f"{task}:", *(f"- {example}" for example in examples), "-"]), return_tensors="pt")
    padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    for start in range(0, count, _AT_ONCE):
        # transformers draws from torch's own generator; the caller's is left as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, start))
            written = model.generate(
                input_ids=request.input_ids,
                attention_mask=request.attention_mask,
                do_sample=True,
                temperature=settings.temperature,
                top_p=settings.top_p,
                max_new_tokens=settings.max_new_tokens,
                num_return_sequences=min(_AT_ONCE, count - start),
                pad_token_id=padding,
            )
        for text in tokenizer.batch_decode(written[:, request.input_ids.shape[1] :], skip_special_tokens=True):
            yield (text.strip().splitlines() or [""])[0].strip(" \t-*\"'")
