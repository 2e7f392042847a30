"""The end state of a campaign, without what may differ between two runs: times, run ids and row numbers."""

import time
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.artifacts import needed_artifacts
from twig_assets.catalog.database import open_existing_catalog
from twig_assets.catalog.models import Audit, Concept, ConceptEdit, CorpusVersion, Image, Mask, Model, Prompt, Release
from twig_assets.catalog.store import ArtifactStore
from twig_assets.evidence.garbage import HOUR, KEPT_SUFFIXES, find_garbage
from twig_assets.evidence.verification import verify_everything
from twig_assets.settings.home import artifact_root, catalog_url

State = dict[str, list[Any]]


def end_state() -> State:
    """The rows of the catalog that TWIG_HOME names, and the names of its artifacts; each list sorted."""
    catalog = open_existing_catalog(catalog_url())
    try:
        with catalog.session() as session:
            state = _rows(session)
    finally:
        catalog.close()
    files = ArtifactStore(artifact_root()).files()
    state["artifacts"] = [(f.sha256, f.suffix) for f in files if f.suffix and f.suffix not in KEPT_SUFFIXES]
    return {name: sorted(rows, key=repr) for name, rows in state.items()}


def _rows(session: Session) -> State:
    images, masks = session.scalars(select(Image)).all(), session.scalars(select(Mask)).all()
    audits = session.scalars(select(Audit)).all()
    standing = session.scalars(select(Release).where(Release.withdrawn_at.is_(None))).all()
    return {
        "prompts": [(p.batch_key, p.position, p.text, p.seed) for p in session.scalars(select(Prompt))],
        "concepts": [(c.name, c.target, c.active) for c in session.scalars(select(Concept))],
        "edits": [(e.concept.name, e.weights_sha256, e.accepted) for e in session.scalars(select(ConceptEdit))],
        "models": [m.sha256 for m in session.scalars(select(Model))],
        "corpora": [c.sha256 for c in session.scalars(select(CorpusVersion))],
        "images": [(i.prompt.text, i.stage, i.attempt, i.seed, i.sha256, i.settings_sha256) for i in images],
        "masks": [(m.image.sha256, m.segmenter, m.outcome, m.sha256) for m in masks],
        "audits": [
            (
                a.image.sha256,
                a.policy.sha256,
                a.corpus_version.sha256,
                a.verdict,
                a.scores,
                [(m.reference.sha256, m.rank, m.scores) for m in a.matches],
            )
            for a in audits
        ],
        "released": [(r.prompt.text, r.image.sha256) for r in standing],
    }


def differences(state: State, expected: State) -> list[str]:
    """The differences between two end states, a line for each kind of row; empty when they are equal."""
    return [
        f"{name}: {len([r for r in state[name] if r not in rows])} too many or other, "
        f"{len([r for r in rows if r not in state[name]])} missing, {len(state[name])} instead of {len(rows)}"
        for name, rows in expected.items()
        if state[name] != rows
    ]


def unlisted_garbage() -> list[str]:
    """Files in the artifact store that no row refers to and that `twig gc` would not list either."""
    catalog, store = open_existing_catalog(catalog_url()), ArtifactStore(artifact_root())
    try:
        listed = {str(file.path) for file in find_garbage(catalog, store, HOUR, now=time.time() + 2 * HOUR)}
        with catalog.snapshot() as session:
            needed = {(artifact.sha256, artifact.suffix) for artifact in needed_artifacts(session)}
    finally:
        catalog.close()
    garbage = [f for f in store.files() if f.suffix not in KEPT_SUFFIXES and (f.sha256, f.suffix) not in needed]
    return [str(file.path) for file in garbage if str(file.path) not in listed]


def verification_findings() -> list[str]:
    """What `twig verify` finds, each as `subject: problem`."""
    return [f"{finding.subject}: {finding.problem}" for finding in verify_everything([]).findings]
