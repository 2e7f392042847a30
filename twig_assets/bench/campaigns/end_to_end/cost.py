"""The processor time that a campaign's models take, call by call."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np

from twig_assets.bench.campaigns.overhead import MODEL_WORK

PLAIN = "generate"
"""The function that draws first images, by the plain sampler."""

DRAWS = 2
"""A campaign without reruns draws every prompt twice."""


@dataclass(frozen=True)
class Call:
    """One call of a function in which models work.

    Attributes:
        function: Its name.
        plain: How many images it drew by the plain sampler; 0 for all other work.
        seconds: Processor seconds, all threads together.
    """

    function: str
    plain: int
    seconds: float


@contextmanager
def counted(calls: list[Call]) -> Iterator[None]:
    """Add the calls of the models to a list until the `with` block ends; the computing of edits is not among them.

    A call that another one makes is a part of that one.
    """
    running: list[str] = []
    with ExitStack() as stack:
        for owner, name in MODEL_WORK:
            wrapped = _counted(getattr(owner, name), name, name == PLAIN, calls, running)
            stack.enter_context(patch.object(owner, name, wrapped))
        yield


def _counted(
    function: Callable[..., Any], name: str, plain: bool, calls: list[Call], running: list[str]
) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        if running:
            return function(*arguments, **named)
        running.append(name)
        started = time.process_time()
        try:
            made = function(*arguments, **named)
        finally:
            running.pop()
        calls.append(Call(name, len(made) if plain else 0, time.process_time() - started))
        return made

    return wrapped


def cost_row(calls: list[Call], prompts: int) -> dict[str, Any]:
    """A row with the seconds of each function, and their sum over what two plain draws of each prompt take.

    First images are the plain sampler's, so its cost is taken from the largest batches of them.

    Args:
        calls: Of a whole campaign, with at least one that drew plain images.
        prompts: Of that campaign.
    """
    largest = max(call.plain for call in calls)
    plain = float(np.median([call.seconds / call.plain for call in calls if call.plain == largest]))
    seconds = {name: sum(c.seconds for c in calls if c.function == name) for name in {c.function for c in calls}}
    return {
        "kind": "cost",
        "prompts": prompts,
        "model_seconds": dict(sorted(seconds.items())),
        "plain_seconds_per_image": plain,
        "plain_images": sum(call.plain for call in calls),
        "cost_ratio": sum(seconds.values()) / (DRAWS * plain * prompts),
    }
