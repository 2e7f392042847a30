from importlib import import_module
from typing import get_args

import pytest

from twig_assets.regeneration import Strategy
from twig_assets.regeneration.strategy import known_strategies, strategy_named


def test_the_settings_name_every_strategy_and_no_other():
    assert known_strategies() == sorted(get_args(Strategy))


@pytest.mark.parametrize("name", get_args(Strategy))
def test_every_strategy_is_in_the_file_of_its_name(name):
    assert strategy_named(name).__module__ == import_module(f"twig_assets.regeneration.strategies.{name}").__name__


def test_an_unknown_strategy_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="'avoid' is unknown; choose one of auto, delay"):
        strategy_named("avoid")
