"""A person's decisions about images beside works, kept in a file of the audit's output that only grows."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pyarrow.parquet
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twig_assets.folder_audit.verdicts import Judged
from twig_assets.similarity.result import KEPT_MATCHES

FILE = "waivers.jsonl"

Pair = tuple[str, str, str]
"""Hashes of an image, a reference and a policy."""


class WaiverError(ValueError):
    """A decision that cannot be written down or read; the message says where and what to do."""


class Waiver(BaseModel):
    """A decision about an image beside a work under a policy.

    Attributes:
        decision: `waive`, or `revoke` to take a waiver back; of several the newest counts.
        image_sha256: The image; another content is another image.
        reference_sha256: The work.
        policy_sha256: The policy; under another one the decision does not hold.
        image: What the image's file was called.
        title: What the work is called.
        who: Who decided.
        why: The reason, for those who ask later.
        when: The moment, in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["waive", "revoke"]
    image_sha256: str
    reference_sha256: str
    policy_sha256: str
    image: str
    title: str
    who: str = Field(min_length=1)
    why: str = Field(min_length=1)
    when: datetime

    @property
    def pair(self) -> Pair:
        """What it is about."""
        return self.image_sha256, self.reference_sha256, self.policy_sha256


def read_waivers(out: Path) -> dict[Pair, Waiver]:
    """The waivers that hold, by image, reference and policy.

    Raises:
        WaiverError: If a line cannot be read; `file:line: what, what to do`.
    """
    path = out / FILE
    newest: dict[Pair, Waiver] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            waiver = Waiver.model_validate_json(line)
        except ValidationError as error:
            raise WaiverError(f"{path}:{number}: is not a decision ({error.errors()[0]['msg']}); mend it") from error
        newest[waiver.pair] = waiver
    return {pair: waiver for pair, waiver in newest.items() if waiver.decision == "waive"}


def waived(image: Judged, policy_sha256: str, waivers: dict[Pair, Waiver]) -> list[Waiver]:
    """The waivers that let an image through: one for each work behind its verdict; none if one is missing."""
    pairs = [(image.sha256 or "", sha256, policy_sha256) for sha256 in image.behind]
    # The five nearest works are kept; when all of them are too near, there may be more that nobody has looked at.
    if not pairs or len(pairs) == KEPT_MATCHES:
        return []
    holding = [waivers[pair] for pair in pairs if pair in waivers]
    return holding if len(holding) == len(pairs) else []


def decide(out: Path, image: str, decision: Literal["waive", "revoke"], who: str, why: str) -> Sequence[Waiver]:
    """Write down a decision about an image and the works behind its verdict, as the last audit into `out` found them.

    Args:
        out: The audit's output.
        image: The image's name, as the audit shows it, or the beginning of its SHA-256.
        decision: What is decided.
        who: The person.
        why: The reason.

    Returns:
        A decision for each work behind the verdict.

    Raises:
        WaiverError: If there is no such audit or image, it is not one that fails or is to be looked at, or who or why
            is empty.
    """
    if not who.strip() or not why.strip():
        raise WaiverError("who and why: both must say something, for those who ask later")
    rows = _rows(out, image)
    about = [row for row in rows if row["behind_verdict"]]
    if not about:
        raise WaiverError(
            f"{image}: its verdict is {rows[0]['verdict']}; only those that fail or are in review are waived"
        )
    when = datetime.now(UTC)
    made = [
        Waiver(
            decision=decision,
            image_sha256=row["image_sha256"],
            reference_sha256=row["reference_sha256"],
            policy_sha256=row["policy_sha256"],
            image=row["image"],
            title=row["title"],
            who=who.strip(),
            why=why.strip(),
            when=when,
        )
        for row in about
    ]
    with (out / FILE).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(waiver.model_dump(mode="json"), ensure_ascii=False) + "\n" for waiver in made)
    return made


def _rows(out: Path, image: str) -> list[dict[str, object]]:
    path = out / "audit.parquet"
    if not path.exists():
        raise WaiverError(f"{path}: is not there; run twig audit with --out {out} first")
    table = pyarrow.parquet.read_table(path).to_pylist()
    rows = [row for row in table if row["image"] == image]
    if not rows and len(image) >= 6:
        rows = [row for row in table if (row["image_sha256"] or "").startswith(image)]
    contents = {row["image_sha256"] for row in rows}
    if len(contents) != 1:
        raise WaiverError(f"{image}: {len(contents)} images are called so in {path}; name one of those on the page")
    name = rows[0]["image"]
    return [row for row in rows if row["image"] == name]
