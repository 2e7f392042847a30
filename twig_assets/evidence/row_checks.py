"""What the chain alone cannot show: rows that may change, the guards of those that may not, releases, and reports."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from twig_assets.catalog.among import among
from twig_assets.catalog.append_only import missing_guards
from twig_assets.catalog.ledger import CHAINED, ROWS_AT_ONCE
from twig_assets.catalog.models import Adherence, Base, Image, Release, ReportFile, RowState
from twig_assets.catalog.row_states import STATED, state_of
from twig_assets.compliance.decisions import decided, reviews_of
from twig_assets.evidence.checks import Finding


def check_guards(connection: Connection) -> Iterator[Finding]:
    """Find triggers that are gone or refuse nothing: a row that they guarded may have been changed and changed back."""
    for table, name in missing_guards(connection, [*CHAINED, "ledger_entry"]):
        yield Finding(f"table {table}", f"its trigger {name} is missing, so its rows could be changed")


def check_states(connection: Connection) -> Iterator[Finding]:
    """Compare every row that may change with the newest state that was written down of it."""
    newest = select(func.max(RowState.id)).group_by(RowState.table_name, RowState.row_id)
    kept = {
        (row.table_name, row.row_id): row.content
        for row in connection.execute(select(*RowState.__table__.c).where(RowState.id.in_(newest)))
    }
    for table in STATED:
        for row_id in connection.scalars(select(Base.metadata.tables[table].c.id)):
            known = kept.pop((table, row_id), None)
            state = state_of(connection, table, row_id)
            if known is None:
                yield Finding(f"{table} {row_id}", "was added by another program: no state of it was written down")
            elif state is None or json.loads(json.dumps(state["content"])) != known:
                now = state["content"] if state else {}
                changed = sorted(key for key in {*now, *known} if now.get(key) != known.get(key))
                yield Finding(f"{table} {row_id}", f"was altered by another program: {', '.join(changed)}")
    for table, row_id in sorted(kept):
        yield Finding(f"{table} {row_id}", "is missing, though its states were written down")


def check_reports(connection: Connection, folder: Path) -> Iterator[Finding]:
    """Compare the files of reports with the hashes that they had when they were written.

    A file that was written again, such as the newest report, counts as it was written last; one that retention
    removed may be gone.
    """
    newest = select(func.max(ReportFile.id)).group_by(ReportFile.file)
    wanted = select(ReportFile.file, ReportFile.sha256, ReportFile.removed).where(ReportFile.id.in_(newest))
    for file, sha256, removed in connection.execute(wanted.order_by(ReportFile.file)):
        path = folder / file
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            if removed is None:
                yield Finding(str(path), "is missing, though the ledger says that it was written")
        except OSError as error:
            yield Finding(str(path), f"cannot be read: {error}")
        else:
            if found != sha256:
                yield Finding(str(path), "was altered after it had been written")


def check_releases_comply(session: Session) -> Iterator[Finding]:
    """Work out anew whether every release that stands had a verdict, or a person, to let it through.

    This looks at rows alone, whatever policy is in force now: the audit that the release names is of its image and
    passed, or people let the image through; a judge said that it shows its prompt or cannot tell, or people did; and
    nobody's rejection stands.
    """
    standing = select(Release).where(Release.withdrawn_at.is_(None)).order_by(Release.id)
    for releases in session.scalars(standing.execution_options(yield_per=ROWS_AT_ONCE)).partitions():
        images = [release.image_id for release in releases]
        reviews = reviews_of(session, among(Image.id, images))
        judged = defaultdict(set)
        rows = select(Adherence.image_id, Adherence.verdict).where(among(Adherence.image_id, images))
        for image_id, verdict in session.execute(rows):
            judged[image_id].add(verdict)
        for release in releases:
            of_image = reviews.get(release.image_id, [])
            decision = decided(of_image, release.audit, approvals=1).decision
            for problem in _problems(release, decision, judged[release.image_id]):
                yield Finding(f"release {release.id}", problem)


def _problems(release: Release, decision: str | None, judged: set[str]) -> Iterator[str]:
    if release.image.prompt_id != release.prompt_id:
        yield f"stands for prompt {release.prompt_id}, but its image {release.image_id} was drawn for another"
    if release.audit.image_id != release.image_id:
        yield f"names audit {release.audit_id}, which is of another image"
    if decision == "reject":
        yield "stands although a person rejected its image"
    if decision == "waive":
        return
    if release.audit.verdict != "pass":
        yield f"stands although its audit says {release.audit.verdict} and nobody let it through"
    if not judged & {"as_asked", "cannot_tell"}:
        said = "no judge said that it shows its prompt" if judged else "nobody judged whether it shows its prompt"
        yield f"stands although {said} and nobody let it through"
