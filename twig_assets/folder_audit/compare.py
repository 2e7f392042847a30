"""Compare images with a corpus: with all of it squeezed, and with what is most alike there at the image's own size."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from twig_assets.engines import Context, Copy, Engine, Shard
from twig_assets.folder_audit.comparing import CANDIDATES, Comparer, Found, Settings, candidates, compared
from twig_assets.folder_audit.corpus import Corpus
from twig_assets.folder_audit.queries import Query
from twig_assets.folder_audit.work import Scan, WorkFolder
from twig_assets.similarity import Policy
from twig_assets.similarity.comparison import Comparison
from twig_assets.similarity.verdicts.judging import gated, inconclusive, judge

SHARD = 16
"""Images that are compared together; the same for any number of workers, so that rounding is."""


class Progress(Protocol):
    """Is called as an audit proceeds."""

    def expect(self, queries: int, pairs: int) -> None:
        """Called first, with the number of queries and of pairs of a query and a work."""

    def compared(self, pairs: int) -> None:
        """Called with the number of further pairs that are done, or were done before."""

    def judged(self) -> None:
        """Called when a query has its verdict."""


Result = dict[str, Any]
"""An AuditResult as JSON: all its fields, with `nearest` the hash of that reference."""


@dataclass(frozen=True)
class Comparing:
    """What images are compared with and by.

    Attributes:
        corpus: The works, prepared in `work`.
        policy: Thresholds.
        work: The folder that holds what earlier runs did; what is compared is saved there shard by shard.
        engine: What computes.
        copies: What workers copy to their machine before.
    """

    corpus: Corpus
    policy: Policy
    work: WorkFolder
    engine: Engine
    copies: tuple[Copy, ...] = ()

    @cached_property
    def settings(self) -> Settings:
        """What a worker needs of it."""
        return Settings(self.work.folder, self.corpus, self.policy)


def compare(queries: Sequence[Query], by: Comparing, progress: Progress) -> list[Result]:
    """Audit pictures, doing only what the work folder says is missing.

    Args:
        queries: The pictures.
        by: What they are compared with.
        progress: Called as the audit proceeds.

    Returns:
        A result for each query, in order.
    """
    rows = by.work.rows()
    progress.expect(len(queries), len(queries) * rows)
    known = {query.key: known_of(query, by) for query in queries}
    progress.compared(sum(found.scan.compared for found in known.values()))
    while missing := [query for query in queries if _is_missing(query, known[query.key], by)]:
        parts = [missing[start : start + SHARD] for start in range(0, len(missing), SHARD)]
        shards = [Shard(part[0].name, [(query, known[query.key]) for query in part]) for part in parts]
        context = Context(Comparer, by.settings, by.copies)
        for part, answers in zip(parts, by.engine.map(compared, shards, context), strict=True):
            with by.work.transaction():
                for query, found in zip(part, answers, strict=True):
                    progress.compared(found.scan.compared - known[query.key].scan.compared)
                    _save(query, found, by)
                    known[query.key] = replace(found, close=None)
    return [_judged(query, known[query.key], by, progress) for query in queries]


def known_of(query: Query, by: Comparing) -> Found:
    """What earlier runs found; of the candidates those that are still in the corpus."""
    scan = by.work.scan(query.key, by.settings.scan_key)
    kept = {
        source: [(row, score) for row, score in best if row in by.corpus.by_row]
        for source, best in scan.candidates.items()
    }
    fewer = min(
        (len(best) for source, best in kept.items() if len(best) < len(scan.candidates[source])), default=CANDIDATES
    )
    # From the beginning if too many of the candidates were withdrawn.
    scan = Scan(scan.compared, kept) if fewer > CANDIDATES // 2 else Scan(0, {})
    local = by.work.kept("local", query.key, by.settings.local_key)
    return Found(scan, None if local is None else tuple(json.loads(local)), by.work.key_of("comparison", query.key))


def _is_missing(query: Query, found: Found, by: Comparing) -> bool:
    if found.scan.compared < by.work.rows() or (found.local is None and by.corpus.has_local_features):
        return True
    key = by.settings.close_key(candidates(query, found, by.corpus, by.policy))
    body = by.work.kept("comparison", query.key, key)
    if body is None:
        return True
    of_image = json.loads(body)
    size = (of_image["size"][0], of_image["size"][1])
    # What another policy held back was not compared.
    return of_image["comparison"] is None and gated(size, of_image["contrast"], by.policy) is None


def _save(query: Query, found: Found, by: Comparing) -> None:
    by.work.put_scan(query.key, by.settings.scan_key, found.scan)
    if found.local is not None:
        by.work.keep("local", query.key, by.settings.local_key, json.dumps(found.local))
    if found.close is not None and found.close_key is not None:
        by.work.keep("comparison", query.key, found.close_key, found.close)


def _judged(query: Query, found: Found, by: Comparing, progress: Progress) -> Result:
    views = candidates(query, found, by.corpus, by.policy)
    body = json.loads(by.work.kept("comparison", query.key, by.settings.close_key(views)) or "")
    size = (body["size"][0], body["size"][1])
    reason = gated(size, body["contrast"], by.policy)
    if reason is not None:
        result = inconclusive(query.name, body["contrast"], reason, by.policy)
    else:
        references = [by.corpus.named(view) for view in views]
        result = judge(Comparison.of_row(body["comparison"]), references, by.policy, query.name)
    progress.judged()
    as_json: Result = json.loads(json.dumps(result.as_row()))
    return as_json
