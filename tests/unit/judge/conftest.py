"""Small judges with random weights, in folders as people have them."""

import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipProcessor,
)

TOWER = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(scope="session")
def embedded_folder(clip, tmp_path_factory):
    """The embedded CLIP as somebody would save it."""
    folder = tmp_path_factory.mktemp("judges") / "embedded"
    for part in clip:
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def random_clip(clip, tmp_path_factory):
    """A CLIP of the embedded one's shape that has learned nothing."""
    folder = tmp_path_factory.mktemp("judges") / "clip"
    torch.manual_seed(5)
    text = {**TOWER, "vocab_size": clip[0].config.text_config.vocab_size, "max_position_embeddings": 32}
    text |= {"eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}
    vision = {**TOWER, "image_size": 64, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(folder)
    CLIPProcessor(clip[1].image_processor, clip[1].tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def random_siglip(clip, tmp_path_factory):
    """A SigLIP that has learned nothing, with the embedded CLIP's words."""
    folder = tmp_path_factory.mktemp("judges") / "siglip"
    torch.manual_seed(6)
    text = {**TOWER, "vocab_size": clip[0].config.text_config.vocab_size, "max_position_embeddings": 16}
    text |= {"eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}
    vision = {**TOWER, "image_size": 32, "patch_size": 16}
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=clip[1].tokenizer.backend_tokenizer, pad_token=clip[1].tokenizer.pad_token, model_max_length=64
    )
    SiglipProcessor(SiglipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder
