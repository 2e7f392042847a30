"""A family that ablation has never seen, in one file: a network that is told the average of a prompt's words."""

import zlib

import pytest
import torch

from twig_assets.ablation import AblationSettings, ConceptEdit, ConceptTarget, EditError, TrainingError, ablate
from twig_assets.generation import Conditioning, ModelFamily, family_of, fingerprint, register

TOKENS, WIDTH, WORDS = 12, 256, 4096  # wide enough to change one word and keep a hundred others
START, END = 0, 1
FOX = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object", preserve=("wolf",))


class Network(torch.nn.Module):
    """A denoiser whose prediction is the noisy latents, shifted by what two layers make of the words."""

    def __init__(self):
        super().__init__()
        self.reads = torch.nn.ModuleList(torch.nn.Linear(WIDTH, 4, bias=False) for _ in range(2))

    def forward(self, latents, tokens):
        shift = sum(layer(tokens).mean(1) for layer in self.reads)
        return latents + shift[:, :, None, None]


class ToyPipeline:
    def __init__(self):
        torch.manual_seed(0)
        self.network, self.words = Network(), torch.nn.Embedding(WORDS, WIDTH)
        # It draws nothing, and so steps by nothing.
        self.scheduler = None


@register
class ToyFamily(ModelFamily):
    pipeline_classes = (ToyPipeline,)
    capabilities = frozenset()
    denoiser_name = "network"
    prompt_limit, latent_channels, reduction, native_size = TOKENS, 4, 8, (64, 64)

    def text_encoders(self):
        return {}

    def tokenizers(self):
        return {}

    def weights(self):
        return {"network": self.pipeline.network, "words": self.pipeline.words}

    def encode(self, prompts, size=None):
        rows = [(self.token_ids(prompt) + [END] * TOKENS)[:TOKENS] for prompt in prompts]
        return Conditioning(self.pipeline.words(torch.tensor(rows)))

    def unconditional(self, count, size=None):
        return self.encode([""] * count)

    def token_ids(self, text):
        return [START, *(2 + zlib.crc32(word.encode()) % (WORDS - 2) for word in text.split()), END]

    def token_span(self, prompt, part):
        if not part:
            return (len(prompt.split()) + 1,) * 2
        start = prompt.rindex(part)
        return len(prompt[:start].split()) + 1, len(prompt[: start + len(part)].split())

    def word_spans(self, words):
        return [range(i, i + 1) for i in range(1, len(words) + 1)]

    def whole_words(self):
        return {"apple", "castle"}

    def text_vectors(self, texts):
        return self.encode(texts).tokens.mean(1)

    def text_entries(self):
        return {f"network.reads.{i}": layer for i, layer in enumerate(self.pipeline.network.reads)}

    def predict(self, latents, timestep, conditioning, guidance_scale=None, parameters=None):
        return self.pipeline.network(latents, conditioning.tokens)

    def encode_images(self, images, size):
        raise NotImplementedError("ablation in closed form needs no image")

    def decode(self, latents):
        raise NotImplementedError("ablation in closed form needs no image")


@pytest.fixture
def toy():
    return ToyPipeline()


@torch.no_grad()
def predicted(toy, prompt):
    family = family_of(toy)
    return family.predict(torch.zeros(1, 4, 8, 8), torch.tensor(0), family.encode([prompt]))


def test_a_concept_is_removed_from_it_in_closed_form_and_put_back_to_the_bit(toy, tmp_path):
    base_sha256 = fingerprint(toy)
    target, anchor, kept = (predicted(toy, prompt) for prompt in ("a fox", "a dog", "a wolf"))
    settings = AblationSettings(method="closed_form", overshoot=0, misspellings=0, adversarial_rounds=1)
    ablate(toy, FOX, settings).save(tmp_path / "fox.safetensors")
    edit = ConceptEdit.load(tmp_path / "fox.safetensors")
    edit.apply(toy)
    assert (predicted(toy, "a fox") - anchor).abs().max() < 0.1 * (target - anchor).abs().max()
    assert (predicted(toy, "a wolf") - kept).abs().max() < 0.1 * (target - anchor).abs().max()
    edit.remove(toy)
    assert fingerprint(toy) == base_sha256
    with pytest.raises(EditError, match="reads no LoRA into a ToyPipeline"):
        edit.export_lora(tmp_path / "lora.safetensors", toy)


def test_surrounding_concepts_are_looked_up_in_it(toy):
    alone = FOX.model_copy(update={"preserve": ()})
    settings = AblationSettings(method="closed_form", misspellings=0, neighbours=3)
    [concept] = ablate(toy, alone, settings).concepts
    assert len(concept.preserve) == 3


def test_what_has_no_text_encoder_to_train_is_not_distilled(toy):
    with pytest.raises(TrainingError, match="no text encoder that can be trained; choose another method"):
        ablate(toy, FOX, AblationSettings(misspellings=0))
