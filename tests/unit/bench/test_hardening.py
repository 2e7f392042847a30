"""The attacks of the benchmark that need no server: what is defended stops them, and nothing else does."""

from pathlib import Path
from typing import Any, cast

import pytest

from twig_assets.bench.hardening import files, pages, requests, texts
from twig_assets.bench.hardening.attack import Attack, Target

ALL = [*pages.attacks(), *requests.attacks(), *texts.attacks(), *files.attacks()]
# Not those that start a process, or read a picture of 900 million pixels.
QUICK = [a for a in ALL if a.kind in ("files", "text, in CSV", "secrets") and "`twig" not in a.name]
QUICK = [a for a in QUICK if a.harms.__module__ != requests.__name__ and "pixels" not in a.name]


def target(guarded: bool) -> Target:
    nothing = cast(Any, None)
    return Target(guarded, Path(), "", "", nothing, nothing, nothing)


def test_every_attack_has_a_name_of_its_own() -> None:
    assert len(ALL) == len({attack.name for attack in ALL}) >= 30


@pytest.mark.parametrize("attack", QUICK, ids=lambda attack: attack.name)
def test_it_is_stopped(attack: Attack) -> None:
    assert not attack.harms(target(guarded=True))


@pytest.mark.parametrize("attack", [a for a in QUICK if a.has_original], ids=lambda attack: attack.name)
def test_it_works_where_nothing_is_defended(attack: Attack) -> None:
    assert attack.harms(target(guarded=False))
