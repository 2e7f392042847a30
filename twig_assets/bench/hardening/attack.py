"""One attack, and what it is tried on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from twig_assets.bench.hardening.evil import EvilServer

ASSET = "released_images"
CHECKED, CHECK = "similarity_audits", "ssim_below_threshold"


@dataclass
class Target:
    """The servers that are attacked.

    Attributes:
        guarded: Whether they are ours, or Dagster's and MLflow's as they come.
        home: The state folder.
        dagster: Address of Dagster.
        mlflow: Address of MLflow.
        instance: Dagster's instance, to see what an attack did.
        evil: Serves the attacker's pages, and notes who asks for its pictures.
        browser: Chromium, in which `evil.test` and `rebound.test` are this machine.
        processes: Process ids of the servers.
    """

    guarded: bool
    home: Path
    dagster: str
    mlflow: str
    instance: dg.DagsterInstance
    evil: EvilServer
    browser: Any
    processes: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Attack:
    """An attack.

    Attributes:
        name: What is tried, in a few words.
        kind: What it is aimed at.
        harms: Tries it and says whether it did what the attacker wants.
        has_original: Whether there is something without our defence that it can be tried on.
    """

    name: str
    kind: str
    harms: Callable[[Target], bool]
    has_original: bool = True
