"""The fingerprint that names exactly which model is opened: its weights, and all else that its images depend on."""

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from twig_assets.generation.family import ModelFamily, Pipeline, family_of

# Models that were fingerprinted by their weights alone keep that fingerprint, as long as all else is as it was then.
_BY_WEIGHTS = Path(__file__).with_name("fingerprints_by_weights.json")
# What changes what a text encoder of transformers computes, and is not seen in its weights.
_ENCODER_KEYS = ("hidden_act", "layer_norm_eps", "num_attention_heads", "num_heads", "eos_token_id", "pad_token_id")


def fingerprint(pipeline: Pipeline) -> str:
    """SHA-256 that two checkpoints share only if they draw the same: the same weights, used in the same way.

    Besides the names and bytes of all weights it covers the scheduler with its configuration and prediction type, the
    tokenizers, the components' configurations and the safety checker. The device is no part of it.
    """
    family = family_of(pipeline)
    weights, rest = weights_sha256(family.weights()), behaviour_sha256(family)
    if json.loads(_BY_WEIGHTS.read_text()).get(weights) == rest:
        return weights
    return hashlib.sha256(f"{weights}:{rest}".encode()).hexdigest()


def weights_sha256(modules: Mapping[str, torch.nn.Module]) -> str:
    """SHA-256 over the names, formats, shapes and bytes of the weights of modules, in this order."""
    digest = hashlib.sha256()
    for component, module in modules.items():
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{component}.{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def behaviour_sha256(family: ModelFamily) -> str:
    """SHA-256 over everything but the weights that images depend on."""
    return hashlib.sha256(json.dumps(_behaviour(family), sort_keys=True, default=str).encode()).hexdigest()


def _behaviour(family: ModelFamily) -> dict[str, Any]:
    pipeline = family.pipeline
    checker = getattr(pipeline, "safety_checker", None)
    return {
        "pipeline": type(pipeline).__name__,
        "options": {
            name: value
            for name, value in _set_otherwise(pipeline).items()
            if not isinstance(value, list | tuple) and name != "requires_safety_checker"
        },
        "scheduler": _configured(getattr(family, "noise_schedule", None)),  # a pipeline of your own may have none
        "tokenizers": {name: _tokens_sha256(tokenizer) for name, tokenizer in family.tokenizers().items()},
        "components": {name: _configured(module) for name, module in family.weights().items()},
        "safety_checker": None if checker is None else weights_sha256({"safety_checker": checker}),
        **({"tiled": True} if getattr(getattr(pipeline, "vae", None), "use_tiling", False) else {}),
    }


def _configured(part: Any) -> dict[str, Any]:
    """A component's class and what of its configuration is not as in every component of that class."""
    return {"class": type(part).__name__, **_set_otherwise(part)}


def _set_otherwise(part: Any) -> dict[str, Any]:
    """The values of a configuration that are not the class's defaults: a later version may add fields.

    Where a part was loaded from is no part of it, and of transformers' long configurations only what matters is.
    """
    config = getattr(part, "config", None)
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        return {key: getattr(config, key) for key in _ENCODER_KEYS if getattr(config, key, None) is not None}
    fields = inspect.signature(type(part).__init__).parameters
    return {
        key: value
        for key, value in config.items()
        if key in fields and not key.startswith("_") and _plain(value) != _plain(fields[key].default)
    }


def _plain(value: Any) -> str:
    """A value as JSON, in which a list from a file and a tuple from a class are the same."""
    return json.dumps(value, sort_keys=True, default=str)


def _tokens_sha256(tokenizer: Any) -> str | None:
    """Hash of what a tokenizer makes of any text; None where it is not one of transformers."""
    if not hasattr(tokenizer, "get_vocab"):
        return None
    backend = getattr(tokenizer, "backend_tokenizer", None)
    # Padding and truncation are set anew by every call, and the version is that of the file's format.
    stated = {} if backend is None else json.loads(backend.to_str())
    for key in ("version", "padding", "truncation"):
        stated.pop(key, None)
    content = {
        "rules": _without_none(stated) or sorted(tokenizer.get_vocab().items()),
        "length": tokenizer.model_max_length,
        "template": getattr(tokenizer, "chat_template", None),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value
