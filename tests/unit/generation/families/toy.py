"""A text-to-image pipeline of a kind that nothing else knows, and a model family for it: what a new family has to be.

The pipeline is no diffusers pipeline and has no loop of its own: a table of word embeddings, a small network that reads
them through one linear layer, and images that are their latents, four times as large.
"""

import zlib

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler

from twig_assets.generation import Capability, Conditioning, ModelFamily
from twig_assets.generation.family import called

# As many dimensions as there are words to tell apart, or a linear edit has no room.
TOKENS, VOCABULARY, WIDTH = 12, 500, 256
START, END = 1, 2


class ToyNetwork(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.look = torch.nn.Conv2d(3, 16, 3, padding=1)
        self.read = torch.nn.Linear(WIDTH, 16)
        self.draw = torch.nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, latents, tokens):
        text = self.read(tokens).mean(1)[:, :, None, None]
        return torch.tanh(self.draw(torch.tanh(0.2 * self.look(latents) + text)))


class ToyPipeline:
    def __init__(self):
        torch.manual_seed(4)
        self.text_encoder = torch.nn.Embedding(VOCABULARY, WIDTH)
        self.network = ToyNetwork()
        self.scheduler = DDIMScheduler(prediction_type="sample", clip_sample=False)


class ToyFamily(ModelFamily):
    pipeline_classes = (ToyPipeline,)
    capabilities = frozenset({Capability.GUIDANCE})
    denoiser_name = "network"

    latent_channels = 3
    reduction = 4
    native_size = (32, 32)
    prompt_limit = TOKENS

    def text_encoders(self):
        return {"text_encoder": self.pipeline.text_encoder}

    def tokenizers(self):
        return {"text_encoder": self.token_ids}

    def weights(self):
        return {"text_encoder": self.pipeline.text_encoder, "network": self.pipeline.network}

    def token_ids(self, text):
        return [START, *(3 + zlib.crc32(word.encode()) % (VOCABULARY - 3) for word in text.split()), END]

    def encode(self, prompts, size=None):
        rows = [(self.token_ids(prompt) + [0] * TOKENS)[:TOKENS] for prompt in prompts]
        return Conditioning(self.pipeline.text_encoder(torch.tensor(rows)))

    def unconditional(self, count, size=None):
        return self.encode([""] * count)

    def token_span(self, prompt, part):
        if not part:
            return (len(prompt.split()) + 1,) * 2
        first = len(prompt[: prompt.rindex(part)].split()) + 1
        return first, first + len(part.split()) - 1

    def word_spans(self, words):
        return [range(at, at + 1) for at in range(1, len(words) + 1)]

    def whole_words(self):
        return set()

    def text_vectors(self, texts):
        return self.encode(texts).tokens.mean(1)

    def text_entries(self):
        return {"network.read": self.pipeline.network.read}

    def predict(self, latents, timestep, conditioning, guidance_scale=None, parameters=None):
        return called(self.pipeline.network, parameters, latents, conditioning.tokens)

    def encode_images(self, images, size):
        pixels = torch.from_numpy(np.stack(list(images))).permute(0, 3, 1, 2).float() / 127.5 - 1
        return F.interpolate(pixels, size=(size[0] // self.reduction, size[1] // self.reduction), mode="area")

    def decode(self, latents):
        return F.interpolate(latents / 2 + 0.5, scale_factor=self.reduction).clamp(0, 1)
