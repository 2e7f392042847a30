"""Judging whether images show their prompts: once each, kept, and judged again by what was kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, true

from tests.unit.catalog.filled import Filled, let_change
from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import rules_in_force
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.models import Adherence, JudgeCalibration, LedgerEntry
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.adherence import LEAST_DRAWS, judge_images, rejudge_adherence
from twig_assets.judge.shown import Shown
from twig_assets.judge.vocabulary import Asked


@dataclass
class MarginsByPixel:
    """A judge whose margins are the images' first pixels, in hundredths; it knows every prompt but `unknown`."""

    seen: list[str] = field(default_factory=list)

    def shown(self, images: Sequence[np.ndarray], prompts: Sequence[str]) -> list[Shown]:
        self.seen += prompts
        return [
            Shown(Asked((), "it knows no such thing"), taken_for="owl")
            if prompt == "unknown"
            else Shown(Asked(("thing",)), image[0, 0, 0] / 100, 0.0, "thing" if image[0, 0, 0] else "owl")
            for image, prompt in zip(images, prompts, strict=True)
        ]


@dataclass
class Setting:
    """A campaign with one image for each prompt."""

    campaign: Campaign
    catalog: Catalog
    store: ArtifactStore
    filled: Filled
    judge: MarginsByPixel = field(default_factory=MarginsByPixel)

    def run(self) -> int:
        return judge_images(self.campaign, self.catalog, self.store, true(), "run", lambda: self.judge)

    def verdicts(self) -> list[str]:
        with self.catalog.session() as session:
            return list(session.scalars(select(Adherence.verdict).order_by(Adherence.id)))

    def policy(self, text: str) -> None:
        self.campaign.policy_file.write_text(text)


def settings(folder: Path, prompts: int, values: Sequence[int], judge: str = "embedded", stage: str = "regenerated"):
    folder.joinpath("demo/references").mkdir(parents=True)
    (folder / "demo/policy.yaml").write_text("")
    (folder / "demo/concepts.yaml").write_text("[]")
    campaign = Campaign(name="demo", folder=folder / "demo", title="Demo", judge=judge)
    catalog, store = open_catalog(f"sqlite:///{folder}/catalog.db"), ArtifactStore(str(folder / "artifacts"))
    with catalog.session() as session:
        filled = Filled(session, prompts=prompts)
        let_change(session, "prompt", "image")
        session.delete(filled.image(prompt=0, stage=stage))  # makes the model's row
        session.flush()
        filled.rules = rules_in_force(session, campaign)[1]
        for prompt, value in enumerate(values):
            sha256 = store.put_image(np.full((16, 16, 3), value, np.uint8))
            filled.image(prompt=prompt, stage=stage, attempt=0 if prompt else 1, sha256=sha256)
    return Setting(campaign, catalog, store, filled)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    made = settings(tmp_path, 3, [20, 5, 0])
    yield made
    made.catalog.close()


def test_an_image_is_judged_once_and_the_verdict_is_chained(setting: Setting) -> None:
    setting.policy("adherence: {threshold: 0.1}")
    assert setting.run() == 3
    assert setting.verdicts() == ["as_asked", "not_as_asked", "not_as_asked"]
    assert setting.run() == 0
    assert len(setting.judge.seen) == 3
    with setting.catalog.session() as session:
        entries = session.scalars(select(LedgerEntry.row_id).where(LedgerEntry.table_name == "adherence")).all()
        rows = session.scalars(select(Adherence).order_by(Adherence.id)).all()
        assert sorted(entries) == [row.id for row in rows]
        assert [(row.score, row.threshold, row.subject) for row in rows] == [
            (0.2, 0.1, "thing"),
            (0.05, 0.1, "thing"),
            (0.0, 0.1, "thing"),
        ]
        assert rows[2].taken_for == "owl"
        assert "looks more like owl" in rows[2].reason


def test_another_threshold_judges_by_what_was_kept(setting: Setting) -> None:
    setting.policy("adherence: {threshold: 0.1}")
    setting.run()
    setting.policy("adherence: {threshold: 0.01}")
    assert setting.run() == 3
    assert setting.verdicts()[3:] == ["as_asked", "as_asked", "not_as_asked"]
    assert len(setting.judge.seen) == 3, "no image was opened again"
    setting.policy("adherence: {threshold: 0.1}")
    assert setting.run() == 0, "changed back, the first verdicts count again"


def test_a_sensor_judges_by_what_was_kept_without_opening_anything(setting: Setting) -> None:
    setting.policy("adherence: {threshold: 0.1}")
    setting.run()
    setting.policy("adherence: {threshold: 0.3}")
    with setting.catalog.session() as session:
        rules = rules_in_force(session, setting.campaign)[1]
        ids = list(session.scalars(select(Adherence.image_id)))
        assert {row.verdict for row in rejudge_adherence(session, ids, rules, "sensor")} == {"not_as_asked"}


def test_with_too_few_plain_draws_nobody_can_tell(setting: Setting) -> None:
    assert setting.run() == 3
    assert set(setting.verdicts()) == {"cannot_tell"}
    with setting.catalog.session() as session:
        assert session.scalars(select(JudgeCalibration)).all() == []


def test_the_threshold_is_found_on_the_campaigns_own_plain_draws(tmp_path: Path) -> None:
    made = settings(tmp_path, LEAST_DRAWS + 1, range(LEAST_DRAWS + 1), stage="generated")
    made.run()
    with made.catalog.session() as session:
        [calibration] = session.scalars(select(JudgeCalibration)).all()
        rules = rules_in_force(session, made.campaign)[1]
    # The very first image has another attempt: it is no plain draw of attempt 0.
    assert calibration.margins == [value / 100 for value in range(1, LEAST_DRAWS + 1)]
    assert rules.threshold == pytest.approx(0.04)
    assert made.verdicts().count("not_as_asked") == 4
    made.catalog.close()


def test_what_the_judge_does_not_know_it_cannot_tell(setting: Setting) -> None:
    setting.policy("adherence: {threshold: 0.1}")
    with setting.catalog.session() as session:
        session.merge(setting.filled.prompts[0]).text = "unknown"
    setting.run()
    assert setting.verdicts()[0] == "cannot_tell"
    with setting.catalog.session() as session:
        assert "it knows no such thing" in session.scalars(select(Adherence).order_by(Adherence.id)).first().reason


def test_without_a_judge_every_image_waits_and_says_why(tmp_path: Path) -> None:
    made = settings(tmp_path, 2, [20, 20], judge="none")
    made.policy("adherence: {threshold: 0.1}")
    assert made.run() == 2
    assert (made.verdicts(), made.judge.seen) == (["cannot_tell"] * 2, [])
    with made.catalog.session() as session:
        assert "name a judge" in session.scalars(select(Adherence)).first().reason
    made.catalog.close()


def test_a_protected_concept_is_asked_for_by_its_anchor(setting: Setting) -> None:
    setting.campaign.concepts_file.write_text(
        "- {name: cat, target: pouting cat, anchor: cat face, kind: object, aliases: [angry cat]}\n"
    )
    with setting.catalog.session() as session:
        session.merge(setting.filled.prompts[1]).text = "an angry cat, noto style"
    setting.run()
    assert "a cat face, noto style" in setting.judge.seen


def test_another_checkpoint_has_no_judge_unless_one_is_named(tmp_path: Path) -> None:
    of = {"name": "demo", "folder": tmp_path, "title": "Demo"}
    assert Campaign(**of).chosen_judge.name == "embedded"
    assert Campaign(**of, checkpoint="some/model").chosen_judge.name == "none"
    assert Campaign(**of, checkpoint="some/model", judge="embedded").chosen_judge.name == "embedded"
