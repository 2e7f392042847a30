"""How many threads a model computes with on the CPU: small ones with one, large ones with all that there are."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from twig_assets.generation.family import Pipeline
from twig_assets.settings.home import model_threads

# Below it, starting and waiting for threads costs more than they gain.
_MANY_PARAMETERS = 50_000_000


@contextmanager
def enough_threads(model: Pipeline | torch.nn.Module) -> Iterator[None]:
    """While the block runs, torch uses all cores if the model is large, and as many threads as before if not.

    So what a small model computes has the same bytes whatever ran before it in this process. With another number of
    threads, a large one adds up in another order and its last bits differ.

    Args:
        model: A pipeline, or a network such as a segmenter.
    """
    before = torch.get_num_threads()
    if _parameters(model) >= _MANY_PARAMETERS:
        torch.set_num_threads(max(before, model_threads()))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _parameters(model: Pipeline | torch.nn.Module) -> int:
    modules: Iterable[object] = (
        [model] if isinstance(model, torch.nn.Module) else getattr(model, "components", {}).values()
    )
    networks = (module for module in modules if isinstance(module, torch.nn.Module))
    return sum(parameter.numel() for network in networks for parameter in network.parameters())
