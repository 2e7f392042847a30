from typing import get_args

import pytest

from twig_assets.ablation.methods.method import method_of
from twig_assets.settings.ablation import Method


@pytest.mark.parametrize("name", get_args(Method))
def test_every_method_of_the_settings_is_the_module_of_its_name(name):
    method = method_of(name)
    assert callable(method.remove_concept)
    assert callable(method.compose)
