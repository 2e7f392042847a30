"""Fills a catalog by hand with prompts, images and verdicts."""

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.models import (
    Adherence,
    Audit,
    CorpusVersion,
    Image,
    Model,
    PolicyRow,
    Prompt,
    PromptBatch,
    Review,
)
from twig_assets.compliance.candidates import PromptState, adherence_in_force, prompt_states

BATCH = "demo-000"


def digest(name: str) -> str:
    return name.ljust(64, "0")


def let_change(session: Session, *tables: str) -> None:
    """Let rows of these tables change, on SQLite: a test sets up what was so from the beginning."""
    for table in tables:
        for what in ("update", "delete"):
            session.execute(text(f"DROP TRIGGER IF EXISTS {table}_refuse_{what}"))


class Filled:
    """A batch of prompts and the rules in force, which a test changes as a user would.

    Attributes:
        session: Open session of an empty catalog.
        rules: The rules in force.
    """

    def __init__(self, session: Session, prompts: int = 1, max_attempts: int = 3) -> None:
        self.session = session
        session.add(PromptBatch(key=BATCH, campaign="demo"))
        session.flush()
        self.prompts = [
            self._add(Prompt(batch_key=BATCH, position=i, text=f"thing {i}", seed=i, sha256=digest(str(i))))
            for i in range(prompts)
        ]
        self.rules = Rules(
            model_sha256=digest("model"),
            generated=digest("first"),
            regenerated=tuple(digest(f"second{attempt}") for attempt in range(10)),
            max_attempts=max_attempts,
            policy_sha256=digest("policy"),
            corpus_id=self.corpus("corpus"),
            judge_sha256=digest("judge"),
            threshold=0.0,
        )

    def _add(self, row):
        self.session.add(row)
        self.session.flush()
        return row

    def _get_or_add(self, cls, sha256: str, **values: object):
        return self.session.scalars(select(cls).where(cls.sha256 == sha256)).first() or self._add(
            cls(sha256=sha256, **values)
        )

    def corpus(self, name: str) -> int:
        return self._get_or_add(CorpusVersion, digest(name), campaign="demo", members=[digest(name)]).id

    def image(self, attempt: int = 0, stage: str = "regenerated", prompt: int = 0, **values: object) -> Image:
        """An image as the pipeline would make it under the rules in force, with other values where given."""
        model = self._get_or_add(
            Model, self.rules.model_sha256, checkpoint="embedded", base_sha256=digest("base"), edits=[]
        )
        count = len(self.session.scalars(select(Image.id)).all())
        usual = {
            "sha256": digest(f"image{count}"),
            "prompt_id": self.prompts[prompt].id,
            "stage": stage,
            "attempt": attempt,
            "seed": 1,
            "model_id": model.id,
            "settings": {},
            "settings_sha256": self.rules.settings_sha256(stage, attempt),
            "run_id": "run",
        }
        return self._add(Image(**(usual | values)))

    def audit(self, image: Image, verdict: str, adherence: str | None = "as_asked", ssim: float | None = None) -> Audit:
        """A verdict under the policy and corpus in force, and one by the judge in force unless it is None."""
        if adherence is not None and not adherence_in_force(self.session, [image.id], self.rules):
            self.adherence(image, adherence)
        policy = self._get_or_add(PolicyRow, self.rules.policy_sha256, body={})
        return self._add(
            Audit(
                image_id=image.id,
                policy_id=policy.id,
                corpus_version_id=self.rules.corpus_id,
                verdict=verdict,
                reasons=["said"],
                scores={} if ssim is None else {"ssim": ssim},
                thresholds={},
                versions={},
                run_id="run",
            )
        )

    def adherence(self, image: Image, verdict: str) -> Adherence:
        """A verdict by the judge and threshold in force."""
        return self._add(
            Adherence(
                image_id=image.id,
                judge_sha256=self.rules.judge_sha256,
                verdict=verdict,
                reason="said",
                score=None if verdict == "cannot_tell" else 0.1 if verdict == "as_asked" else -0.1,
                threshold=self.rules.threshold,
                subject="thing",
                taken_for="thing",
                scores={},
                run_id="run",
            )
        )

    def judged(
        self,
        verdict: str,
        attempt: int = 0,
        adherence: str | None = "as_asked",
        ssim: float | None = None,
        **values: object,
    ) -> Audit:
        """A candidate with its verdicts."""
        return self.audit(self.image(attempt, **values), verdict, adherence, ssim)

    def review(self, audit: Audit, decision: str) -> None:
        self._add(Review(audit_id=audit.id, decision=decision, who="a person", why="a reason"))

    def state(self) -> PromptState:
        """The state of the first prompt."""
        return self.states()[0]

    def states(self) -> list[PromptState]:
        return prompt_states(self.session, BATCH, self.rules)
