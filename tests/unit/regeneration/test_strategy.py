from dataclasses import replace
from importlib import import_module
from typing import get_args

import numpy as np
import pytest
import torch

from twig_assets.generation import GenerationSettings, generate
from twig_assets.regeneration import RegenerationSettings, Strategy, regenerate
from twig_assets.regeneration.strategy import (
    STRATEGIES,
    RegenerationStrategy,
    known_strategies,
    register,
    strategy_named,
)


def test_the_settings_name_every_strategy_and_no_other():
    assert known_strategies() == sorted(get_args(Strategy))


@pytest.mark.parametrize("name", get_args(Strategy))
def test_every_strategy_is_in_the_file_of_its_name(name):
    assert strategy_named(name).__module__ == import_module(f"twig_assets.regeneration.strategies.{name}").__name__


def test_an_unknown_strategy_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="'avoid' is unknown; choose one of auto, delay"):
        strategy_named("avoid")


class Negative(RegenerationStrategy):
    """Draws the negative: every part of a strategy once."""

    name = "negative"

    def noise(self):
        return torch.zeros(len(self.batch.prompts), 4, 16, 16)

    def steer(self, prediction):
        return replace(prediction, clean=0 * prediction.clean)

    def finish(self, images):
        return 255 - images


def test_a_strategy_of_ones_own_starts_steers_and_finishes(pipeline):
    register(Negative)
    try:
        generation, masks = GenerationSettings(steps=2), np.ones((2, 64, 64), bool)
        firsts = generate(pipeline, ["a fox", "an owl"], [1, 2], generation)
        settings = RegenerationSettings().model_copy(update={"strategy": "negative"})
        fox, owl = regenerate(pipeline, ["a fox", "an owl"], firsts, masks, [3, 4], settings, generation)
    finally:
        del STRATEGIES[Negative.name]
    np.testing.assert_array_equal(fox, owl)
    assert (fox != firsts[0]).any()
