"""Captions by an image-to-text model that the user names: here a BLIP of random weights that prefers a few words."""

import shutil

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
)

from twig_assets.prompts.captioner import CaptionerError, captions_from, load_captioner

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "lantern", "on", "grass"]
SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    """The folder of a tiny BLIP that says `a`, `lantern` and the end, with falling probability."""
    folder = tmp_path_factory.mktemp("blip")
    torch.manual_seed(0)
    text = {
        **SMALL,
        "vocab_size": len(WORDS),
        "bos_token_id": 5,
        "sep_token_id": 3,
        "eos_token_id": 3,
        "pad_token_id": 0,
        "encoder_hidden_size": 16,
        "max_position_embeddings": 64,
    }
    vision = {**SMALL, "image_size": 32, "patch_size": 16}
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision, projection_dim=16))
    bias = torch.zeros(len(WORDS))
    bias[[6, 7, 3]] = torch.tensor([30.0, 25.0, 20.0])
    model.text_decoder.cls.predictions.bias.data = bias
    model.text_decoder.cls.predictions.decoder.bias.data = bias
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = BertTokenizer.from_pretrained(folder, bos_token="[DEC]")
    size = {"height": 32, "width": 32}
    BlipProcessor(BlipImageProcessor(size=size), tokenizer).save_pretrained(folder)
    return folder


def pictures(count):
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (20 + 7 * i, 31, 3), dtype=np.uint8) for i in range(count)]


def test_every_picture_is_captioned_in_order_and_again_in_the_same_way(blip):
    captioner = load_captioner(str(blip))
    captions = captions_from(pictures(9), captioner)
    assert len(captions) == 9
    assert all("lantern" in text.split() for text in captions)
    assert all(set(text.split()) <= set(WORDS[6:]) for text in captions)
    assert captions_from(pictures(9), captioner) == captions


def test_a_folder_of_another_kind_of_model_is_refused(tmp_path):
    BertModel(BertConfig(**SMALL, vocab_size=10)).save_pretrained(tmp_path)
    with pytest.raises(CaptionerError, match="a folder\\) cannot be opened.* such as BLIP"):
        load_captioner(str(tmp_path))


def test_what_is_nowhere_is_refused():
    with pytest.raises(CaptionerError, match="'no/such-model' \\(neither a folder nor"):
        load_captioner("no/such-model")


def test_weights_that_are_missing_are_named_and_not_made_up(blip, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(blip, tmp_path / "blip")
    file = tmp_path / "blip" / "model.safetensors"
    weights = {name: tensor for name, tensor in load_file(file).items() if "patch_embedding" not in name}
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(CaptionerError, match="lacks 2 weights, .*patch_embedding"):
        load_captioner(str(tmp_path / "blip"))


def test_pickled_weights_are_not_read(blip, tmp_path):
    shutil.copytree(blip, tmp_path / "blip")
    (tmp_path / "blip" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "blip" / "pytorch_model.bin")
    with pytest.raises(CaptionerError, match="cannot be opened"):
        load_captioner(str(tmp_path / "blip"))


def test_a_model_that_gives_no_caption_is_reported(blip):
    model, processor = load_captioner(str(blip))
    model.text_decoder.cls.predictions.bias.data[3] = 99.0
    model.text_decoder.cls.predictions.decoder.bias.data[3] = 99.0
    with pytest.raises(CaptionerError, match="gives picture 1, 2 no caption"):
        captions_from(pictures(2), (model, processor))


def test_a_model_that_needs_more_than_a_picture_is_reported(blip):
    model, processor = load_captioner(str(blip))

    class Asking:
        device = "cpu"

        def generate(self, **_):
            raise ValueError("input_ids are needed")

    with pytest.raises(CaptionerError, match="Asking does not caption from a picture alone: input_ids are needed"):
        captions_from(pictures(1), (Asking(), processor))
