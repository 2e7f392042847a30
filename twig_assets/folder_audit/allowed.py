"""What may be shown of the works of a folder audit: a file of its output that only grows, and what it changes."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twig_assets.campaign.element_parts import AllowedElementError, checked_day, checked_parts, in_words
from twig_assets.catalog.hashing import sha256_of
from twig_assets.folder_audit.compare import Comparing, Result, known_of
from twig_assets.folder_audit.comparing import CANDIDATES, candidates
from twig_assets.folder_audit.indexed import IndexedCorpus
from twig_assets.folder_audit.queries import Query
from twig_assets.similarity import AuditResult, opened_sources
from twig_assets.similarity.allowed import ALLOWED, Allowed, Part, RestOfWorks, concerned
from twig_assets.similarity.corpus.references import ReferenceImage
from twig_assets.similarity.index.allowed import audit_rest
from twig_assets.similarity.index.audited import IndexedWorks

FILE = "allowed.jsonl"
NOTHING_LEFT = "without that nothing could be compared, so the verdict beside all works stands"


class Element(BaseModel):
    """A person's decision that a work, or a part of it, may be shown, or may no longer.

    Attributes:
        number: Counts from 1; a `lift` has the number of what it takes back.
        decision: `allow` or `lift`.
        work_sha256: The work's file; another content is another work.
        title: What the work is called.
        parts: The parts, see `Part`; none for the whole work.
        kind: `licensed` or `generic`.
        until: The last day, as YYYY-MM-DD in UTC; None for no end.
        who: Who decided.
        why: The reason, for those who ask later.
        when: The moment, in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1)
    decision: Literal["allow", "lift"]
    work_sha256: str
    title: str
    parts: tuple[Part, ...] = ()
    kind: Literal["licensed", "generic"]
    until: str | None = None
    who: str = Field(min_length=1)
    why: str = Field(min_length=1)
    when: datetime

    @property
    def described(self) -> str:
        """See `allowed_elements.described`."""
        return in_words(self.title, self.parts, self.kind, self.until, "", self.who, self.why)

    @property
    def allowed(self) -> Allowed:
        """As the audit takes it."""
        return Allowed(self.work_sha256, self.parts)


def read_elements(out: Path) -> list[Element]:
    """All that was ever allowed and lifted, the oldest first.

    Raises:
        AllowedElementError: If a line cannot be read; `file:line: what, what to do`.
    """
    path = out / FILE
    elements = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else [], 1):
        try:
            elements.append(Element.model_validate_json(line))
        except ValidationError as error:
            what = f"is no allowed element ({error.errors()[0]['msg']})"
            raise AllowedElementError(f"{path}:{number}: {what}; mend it") from error
    return elements


def standing(element: Element, elements: Iterable[Element], today: date | None = None) -> str:
    """What an element comes to today, in a few words: `holds`, or why not."""
    lift = next((one for one in elements if one.decision == "lift" and one.number == element.number), None)
    if lift is not None:
        return f"lifted by {lift.who}: {lift.why}"
    day = (today or datetime.now(UTC).date()).isoformat()
    return f"ended after {element.until}" if element.until is not None and element.until < day else "holds"


def in_force(elements: Sequence[Element]) -> list[Element]:
    """The elements that may be shown today."""
    return [one for one in elements if one.decision == "allow" and standing(one, elements) == "holds"]


def allow(
    out: Path, work: str, kind: str, who: str, why: str, parts: Sequence[Part] = (), until: str | None = None
) -> Element:
    """Write down that a work may be shown, as the last audit into `out` knows it.

    Args:
        out: The audit's output.
        work: The work's file, its title, or six or more digits of its SHA-256.
        kind: `licensed` or `generic`.
        who: The person who decides.
        why: The reason.
        parts: The parts; none for the whole work.
        until: The last day, as YYYY-MM-DD; None for no end.

    Raises:
        AllowedElementError: If no image was found to come near such a work, or another value cannot be used.
    """
    if kind not in ("licensed", "generic"):
        raise AllowedElementError(f"kind: {kind!r} is none of licensed, generic")
    sha256, title = _the_work(out, work)
    number = 1 + max((one.number for one in read_elements(out)), default=0)
    fields = {"work_sha256": sha256, "title": title, "parts": checked_parts(parts), "until": checked_day(until)}
    return _added(out, number=number, decision="allow", kind=kind, who=who, why=why, **fields)


def lift(out: Path, number: int, who: str, why: str) -> Element:
    """Write down that an element may no longer be shown.

    Raises:
        AllowedElementError: If there is none of that number that holds, or who or why is empty.
    """
    element = next((one for one in in_force(read_elements(out)) if one.number == number), None)
    if element is None:
        raise AllowedElementError(f"lift: {number} is none that holds in {out}; `twig allow --out {out}` lists them")
    return _added(
        out, **element.model_dump(exclude={"decision", "who", "why", "when"}), decision="lift", who=who, why=why
    )


def _added(out: Path, who: str, why: str, **fields: Any) -> Element:
    if not who.strip() or not why.strip():
        raise AllowedElementError("who and why: both must say something, for those who ask later")
    element = Element(who=who.strip(), why=why.strip(), when=datetime.now(UTC), **fields)
    with (out / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(element.model_dump(mode="json"), ensure_ascii=False) + "\n")
    return element


def _the_work(out: Path, work: str) -> tuple[str, str]:
    path = out / "audit.parquet"
    if not path.exists():
        raise AllowedElementError(f"{path}: is not there; run twig audit with --out {out} first")
    columns = ["reference", "title", "reference_sha256"]
    rows = [row for row in pyarrow.parquet.read_table(path, columns=columns).to_pylist() if row["reference_sha256"]]
    found = {row["reference_sha256"]: row["title"] for row in rows if work in (row["reference"], row["title"])}
    if not found and len(work) >= 6:
        found = {row["reference_sha256"]: row["title"] for row in rows if row["reference_sha256"].startswith(work)}
    if len(found) != 1:
        raise AllowedElementError(
            f"work: {len(found)} works that an image came near are called {work!r} in {path}; give the name of the file"
        )
    [(sha256, title)] = found.items()
    return sha256, title


def without_allowed(
    queries: Sequence[Query], results: Sequence[Result], by: Comparing, elements: Sequence[Element]
) -> list[Result]:
    """The results, those of images that did not pass beside an allowed work without what is allowed of it.

    Args:
        queries: The images.
        results: Beside all works as they are, one for each.
        by: What they were compared with.
        elements: The elements that hold.
    """
    rests = _Rests(by)
    return [
        rests.judged(query, result, _concerned(result, elements))
        for query, result in zip(queries, results, strict=True)
    ]


def _concerned(result: Result, elements: Sequence[Element]) -> list[Element]:
    matches = [(match["reference_sha256"], match) for match in result["matches"]]
    numbers = concerned(result["verdict"], result["thresholds"], matches, [(e.number, e.work_sha256) for e in elements])
    return [element for element in elements if element.number in numbers]


class _Rests:
    """Audits images without what is allowed; what was found before is kept in the work folder."""

    def __init__(self, by: Comparing) -> None:
        self._by = by

    def judged(self, query: Query, result: Result, elements: Sequence[Element]) -> Result:
        """A result without what elements allow; as it is where none concerns it."""
        elements = [element for element in elements if element.work_sha256 in self._by.corpus.works]
        if not elements:
            return result
        left_out = [f"{ALLOWED}{element.described}" for element in elements]
        rest = self._rest(query, [element.allowed for element in elements])
        if rest is None:
            return {**result, "reasons": [*left_out, NOTHING_LEFT, *result["reasons"]]}
        return {**rest, "reasons": [*left_out, *rest["reasons"]]}

    def _rest(self, query: Query, allowed: list[Allowed]) -> Result | None:
        by = self._by
        key = sha256_of(
            {
                "allowed": sorted([element.work, [list(part) for part in element.parts]] for element in allowed),
                "policy": by.policy.sha256,
                "corpus": by.corpus.version,
                "scan": by.settings.scan_key,
            }
        )
        known = by.work.kept("without", query.key, key)
        if known is None:
            result = self._audited(query, allowed)
            known = json.dumps(result.as_row() if result else None)
            with by.work.transaction():
                by.work.keep("without", query.key, key, known)
        found: Result | None = json.loads(known)
        return found

    def _audited(self, query: Query, allowed: list[Allowed]) -> AuditResult | None:
        pixels = query.picture.pixels(self._by.corpus)
        mask = np.zeros(pixels.shape[:2], bool)
        if self._index is not None:
            return audit_rest(pixels, self._index, allowed, mask, query.name)
        references = self._works(query, {element.work for element in allowed})
        return RestOfWorks(references, allowed, self._by.policy, self._sources).audit(pixels, mask, query.name)

    def _works(self, query: Query, concerned: set[str]) -> list[ReferenceImage]:
        """The works concerned, and of all others those that may be alike; all of them where that is not known."""
        corpus, found = self._by.corpus, known_of(query, self._by)
        others = [
            [row for row, _ in best if corpus.by_row[row].sha256 not in concerned]
            for best in found.scan.candidates.values()
        ]
        whole = min(map(len, others), default=0) <= CANDIDATES // 2
        views = [] if whole else candidates(query, found, corpus, self._by.policy)
        near = set(corpus.works) if whole else {view.sha256 for view in views}
        chosen = [work for sha256, work in corpus.works.items() if sha256 in near | concerned]
        return [corpus.picture(view) for work in chosen for view in work.views]

    @cached_property
    def _sources(self) -> Any:
        return opened_sources(self._by.policy.model_dump())

    @cached_property
    def _index(self) -> IndexedWorks | None:
        corpus = self._by.corpus
        return IndexedWorks(corpus.index, self._by.policy, self._sources) if isinstance(corpus, IndexedCorpus) else None
