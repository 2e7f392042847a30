"""The pictures of the page, drawn by workers and kept, since most stay as they are when a policy changes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from twig_assets.catalog.hashing import sha256_of
from twig_assets.engines import Context, Shard
from twig_assets.folder_audit.compare import Comparing
from twig_assets.folder_audit.corpus import Corpus
from twig_assets.folder_audit.pictures import Pictures, pictures
from twig_assets.folder_audit.verdicts import Judged
from twig_assets.similarity.versions import library_versions

DRAWING = "1"
"""Raised when the pictures of a card change."""

_SHARD = 8


def drawn(judged: Sequence[Judged], by: Comparing, progress: Callable[[int, int], None]) -> list[Pictures]:
    """The pictures of the page's cards, in order; those that an earlier run drew are not drawn again.

    Args:
        judged: The images on the page.
        by: The works, where pictures are kept, and what draws.
        progress: Called with the number of images drawn and of all that have to be.
    """
    keys = [_key(image) for image in judged]
    known = [by.work.kept("card", image.file.name, key) for image, key in zip(judged, keys, strict=True)]
    missing = [i for i, body in enumerate(known) if body is None]
    done = 0
    parts = [missing[start : start + _SHARD] for start in range(0, len(missing), _SHARD)]
    shards = [Shard(judged[part[0]].file.name, [judged[i] for i in part]) for part in parts]
    for part, bodies in zip(parts, by.engine.map(_drawn, shards, Context(_opened, by.corpus)), strict=True):
        with by.work.transaction():
            for i, body in zip(part, bodies, strict=True):
                known[i] = body
                by.work.keep("card", judged[i].file.name, keys[i], body)
        done += len(part)
        progress(done, len(missing))
    return [Pictures(**json.loads(body or "{}")) for body in known]


def _key(image: Judged) -> str:
    """Changes with whatever a card's pictures are drawn from."""
    match = image.nearest_match or {}
    of_match = {name: match.get(name) for name in ("reference_sha256", "reference_view", "transform", "sift_inliers")}
    versions = {"drawing": DRAWING, **library_versions()}
    return sha256_of({"image": image.sha256, "view": image.view, "match": of_match, "versions": versions})


def _opened(corpus: Corpus) -> Corpus:
    return corpus


def _drawn(corpus: Corpus, images: Sequence[Judged]) -> list[str]:
    return [json.dumps(asdict(pictures(image, corpus))) for image in images]
