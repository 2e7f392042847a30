"""The tamperings of benchmark `tamper`: what somebody with write access to database and files could change.

Unless a case says otherwise, the triggers that keep rows as they are have been dropped before and are put back after,
so that nothing but the content shows what happened.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from twig_assets.catalog.hashing import sha256_of

Act = Callable[[sqlite3.Connection, Path], None]


@dataclass(frozen=True)
class Tampering:
    """One act of tampering.

    Attributes:
        name: What is done, in a few words.
        act: Does it; takes an open connection to the catalog without triggers, and the state folder.
        leaves_triggers: Whether the triggers are put back afterwards.
    """

    name: str
    act: Act
    leaves_triggers: bool = True


def tamperings() -> Iterator[Tampering]:
    """All cases."""
    for name, *statements in _STATEMENTS:
        yield Tampering(name, _run(statements))
    for name, act in _ACTS.items():
        yield Tampering(name, act)
    for name, statement in _TRIGGERS.items():
        yield Tampering(name, _run([statement]), leaves_triggers=False)


@contextmanager
def without_triggers(connection: sqlite3.Connection, put_back: bool) -> Iterator[None]:
    """Drop all triggers until the `with` block ends."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    if put_back:
        for name, _ in rows:
            connection.execute(f"DROP TRIGGER {name}")
    yield
    if put_back:
        for _, sql in rows:
            connection.execute(sql)


def _run(statements: list[str]) -> Act:
    def act(connection: sqlite3.Connection, _home: Path) -> None:
        changed = 0
        for statement in statements:
            changed += max(0, connection.execute(statement).rowcount)
        assert changed or statements[0].startswith(("DROP", "CREATE")), f"changed nothing: {statements}"

    return act


_FAILED = "(SELECT min(id) FROM audit WHERE verdict = 'fail')"
_RELEASE = "(SELECT min(id) FROM release WHERE withdrawn_at IS NULL)"
_SECOND = "(SELECT min(id) FROM image WHERE stage = 'regenerated')"
_STATEMENTS: list[list[str]] = [
    ["a failed verdict is turned into a pass", f"UPDATE audit SET verdict = 'pass' WHERE id = {_FAILED}"],
    ["a verdict's scores are lowered", f"UPDATE audit SET scores = '{{\"ssim\": 0.1}}' WHERE id = {_FAILED}"],
    ["a verdict's reasons are changed", f"UPDATE audit SET reasons = '[\"fine\"]' WHERE id = {_FAILED}"],
    ["a verdict's thresholds are raised", f"UPDATE audit SET thresholds = '{{}}' WHERE id = {_FAILED}"],
    ["a verdict is dated back", f"UPDATE audit SET created_at = '2020-01-01 00:00:00' WHERE id = {_FAILED}"],
    ["a verdict names other versions", f"UPDATE audit SET versions = '{{}}' WHERE id = {_FAILED}"],
    ["a verdict names another run", f"UPDATE audit SET run_id = 'other' WHERE id = {_FAILED}"],
    ["a verdict is given to another image", f"UPDATE audit SET image_id = {_SECOND} + 1, versions = '{{}}' WHERE id = {_FAILED}"],
    ["a verdict names another nearest work", f"UPDATE audit SET nearest_reference_id = NULL WHERE id = {_FAILED}"],
    ["a verdict is removed", f"DELETE FROM audit_match WHERE audit_id = {_FAILED}", f"DELETE FROM audit WHERE id = {_FAILED}"],
    ["a verdict is removed with its entry of the ledger", f"DELETE FROM ledger_entry WHERE table_name = 'audit' AND row_id = {_FAILED}", f"DELETE FROM audit WHERE id = {_FAILED}"],
    ["a match's scores are lowered", "UPDATE audit_match SET scores = '{}' WHERE id = (SELECT min(id) FROM audit_match)"],
    ["a match names another work", "UPDATE audit_match SET reference_id = reference_id % 2 + 1 WHERE id = (SELECT min(id) FROM audit_match)"],
    ["a match is removed", "DELETE FROM audit_match WHERE id = (SELECT min(id) FROM audit_match)"],
    ["a rejection becomes a waiver", "UPDATE review SET decision = 'waive' WHERE decision = 'reject'"],
    ["a decision gets another name", "UPDATE review SET who = 'Somebody else' WHERE decision = 'reject'"],
    ["a decision gets another reason", "UPDATE review SET why = 'licensed' WHERE decision = 'reject'"],
    ["a decision is dated back", "UPDATE review SET created_at = '2020-01-01 00:00:00' WHERE decision = 'reject'"],
    ["a decision is removed", "DELETE FROM review WHERE decision = 'reject'"],
    ["a waiver is made up", f"INSERT INTO review (audit_id, decision, who, why, created_at) VALUES ({_FAILED}, 'waive', 'Ann', 'ours', '2026-01-01 00:00:00')"],
    ["a judge's verdict is turned", "UPDATE adherence SET verdict = 'cannot_tell' WHERE id = (SELECT min(id) FROM adherence)"],
    ["a judge's score is raised", "UPDATE adherence SET score = 9 WHERE id = (SELECT min(id) FROM adherence)"],
    ["a judge's verdict is removed", "DELETE FROM adherence WHERE id = (SELECT min(id) FROM adherence)"],
    ["a release names another image", f"UPDATE release SET image_id = {_SECOND} + 1 WHERE id = {_RELEASE}"],
    ["a release names another audit", f"UPDATE release SET audit_id = {_FAILED} WHERE id = {_RELEASE}"],
    ["a release names another prompt", "UPDATE release SET withdrawn_at = '2026-01-01 00:00:00' WHERE prompt_id = 2", f"UPDATE release SET prompt_id = 2 WHERE id = {_RELEASE}"],
    ["a release is dated back", f"UPDATE release SET released_at = '2020-01-01 00:00:00' WHERE id = {_RELEASE}"],
    ["a release is withdrawn by hand", f"UPDATE release SET withdrawn_at = '2026-01-01 00:00:00', reason = 'x' WHERE id = {_RELEASE}"],
    ["a release is removed", f"DELETE FROM release WHERE id = {_RELEASE}"],
    ["an image that failed is published by one UPDATE", f"UPDATE release SET image_id = (SELECT image_id FROM audit WHERE id = {_FAILED}) WHERE id = {_RELEASE}"],
    ["an image that failed is published by one INSERT", f"UPDATE release SET withdrawn_at = '2026-01-01 00:00:00' WHERE id = {_RELEASE}", f"INSERT INTO release (prompt_id, image_id, audit_id, released_at) SELECT i.prompt_id, i.id, a.id, '2026-01-01 00:00:00' FROM audit a JOIN image i ON i.id = a.image_id WHERE a.id = {_FAILED}"],
    ["a prompt's words are changed", "UPDATE prompt SET text = 'a blue apple' WHERE id = 1"],
    ["a prompt is changed together with its hash", "UPDATE prompt SET text = 'a blue apple', sha256 = '" + sha256_of({"text": "a blue apple", "seed": 7}) + "', seed = 7 WHERE id = 1"],
    ["a prompt's seed is changed", "UPDATE prompt SET seed = 7 WHERE id = 1"],
    ["a prompt is moved to another place", "UPDATE prompt SET position = 40 WHERE id = 1"],
    ["an image is given to another prompt", f"UPDATE image SET prompt_id = 2, attempt = 9 WHERE id = {_SECOND}"],
    ["an image's seed is changed", f"UPDATE image SET seed = 7 WHERE id = {_SECOND}"],
    ["an image's parent is removed", f"UPDATE image SET parent_id = NULL WHERE id = {_SECOND}"],
    ["an image names another run", f"UPDATE image SET run_id = 'other' WHERE id = {_SECOND}"],
    ["an image gets another attempt", f"UPDATE image SET attempt = 8 WHERE id = {_SECOND}"],
    ["an image's picture is exchanged for another's", f"UPDATE image SET sha256 = (SELECT sha256 FROM image WHERE id = 1) WHERE id = {_SECOND}"],
    ["what a rerun was told is changed", f"UPDATE image SET settings = json_set(settings, '$.applied', 'x') WHERE id = {_SECOND}"],
    ["an image is dated back", f"UPDATE image SET created_at = '2020-01-01 00:00:00' WHERE id = {_SECOND}"],
    ["a mask's area is changed", "UPDATE mask SET area = 0.5 WHERE id = 1"],
    ["a mask is exchanged for another", "UPDATE mask SET sha256 = (SELECT sha256 FROM mask WHERE id = 2) WHERE id = 1"],
    ["a mask is removed", "DELETE FROM mask WHERE id = 1"],
    ["a watermark gets another number", "UPDATE watermark SET payload = 'ffffffffffff' WHERE id = 1"],
    ["a watermark is given to another image", "UPDATE watermark SET image_id = (SELECT id FROM image WHERE id NOT IN (SELECT image_id FROM watermark) LIMIT 1) WHERE id = 1"],
    ["a watermark names another key", "UPDATE watermark SET key_id = 'ffffffff' WHERE id = 1"],
    ["a watermark is removed", "DELETE FROM watermark WHERE id = 1"],
    ["a watermark is made up", "INSERT INTO watermark (image_id, payload, method, key_id, psnr, created_at) SELECT id, '0123456789ab', 'lattice-1', 'ffffffff', 40, '2026-01-01 00:00:00' FROM image WHERE id NOT IN (SELECT image_id FROM watermark) LIMIT 1"],
    ["a marked file gets another name", "UPDATE marked_file SET name = 'other.png'"],
    ["a marked file names other bytes", "UPDATE marked_file SET sha256 = (SELECT sha256 FROM image WHERE id = 1)"],
    ["a marked file is removed", "DELETE FROM marked_file"],
    ["a marked file is made up", "INSERT INTO marked_file (name, sha256, payload, method, key_id, psnr, command, created_at) SELECT 'x.png', sha256, '0123456789ab', 'lattice-1', 'ffffffff', 40, 'mark', '2026-01-01 00:00:00' FROM image LIMIT 1"],
    ["an edit that was refused counts as accepted", "UPDATE concept_edit SET accepted = 1 - accepted"],
    ["an edit's figures are improved", "UPDATE concept_edit SET evaluation = '{}'"],
    ["an edit names other weights", "UPDATE concept_edit SET weights_sha256 = (SELECT sha256 FROM image WHERE id = 1)"],
    ["a model loses its edits", "UPDATE model SET edits = '[]'"],
    ["a work gets another title", "UPDATE reference SET title = 'Untitled' WHERE id = 1"],
    ["a work gets another holder", "UPDATE reference SET rights_holder = 'Nobody' WHERE id = 1"],
    ["a work is taken out of the corpus", "UPDATE reference SET status = 'withdrawn' WHERE id = 1"],
    ["a work gets another licence", "UPDATE reference SET licence = 'CC0' WHERE id = 1"],
    ["a work is removed", "DELETE FROM audit_match WHERE reference_id = 1", "UPDATE audit SET nearest_reference_id = NULL WHERE nearest_reference_id = 1", "DELETE FROM reference WHERE id = 1"],
    ["a concept's target is changed", "UPDATE concept SET target = 'a mug' WHERE id = 1"],
    ["a policy's thresholds are changed", "UPDATE policy SET body = json_set(body, '$.ssim_threshold', 0.99) WHERE id = 1"],
    ["a policy is changed together with its hash", "UPDATE policy SET body = '{}', sha256 = '" + "a" * 64 + "' WHERE id = 1"],
    ["a corpus loses a member", "UPDATE corpus_version SET members = '[]' WHERE id = 1"],
    ["the state of a row is changed together with the row", "UPDATE reference SET title = 'Untitled' WHERE id = 1", "UPDATE row_state SET content = json_set(content, '$.title', 'Untitled') WHERE table_name = 'reference' AND row_id = 1"],
    ["an entry of the ledger is removed", "DELETE FROM ledger_entry WHERE sequence = 3"],
    ["an entry of the ledger is changed", "UPDATE ledger_entry SET sha256 = '" + "b" * 64 + "' WHERE sequence = 3"],
    ["two entries of the ledger change places", "UPDATE ledger_entry SET sequence = -1 WHERE sequence = 2", "UPDATE ledger_entry SET sequence = 2 WHERE sequence = 3", "UPDATE ledger_entry SET sequence = 3 WHERE sequence = -1"],
    ["the end of the ledger is cut off with its rows", "DELETE FROM report_file", "DELETE FROM ledger_entry WHERE table_name = 'report_file'"],
]  # fmt: skip
_TRIGGERS = {
    "a table's triggers are dropped": "DROP TRIGGER audit_refuse_update",
    "the ledger's triggers are dropped": "DROP TRIGGER ledger_entry_refuse_delete",
}


def _alter(pattern: str) -> Act:
    """Turn one bit of the first file below the state folder that fits."""

    def act(_connection: sqlite3.Connection, home: Path) -> None:
        path = min(home.glob(pattern))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))

    return act


def _remove(pattern: str) -> Act:
    def act(_connection: sqlite3.Connection, home: Path) -> None:
        min(home.glob(pattern)).unlink()

    return act


def _swap(_connection: sqlite3.Connection, home: Path) -> None:
    first, second = sorted(home.glob("artifacts/*/*.png"))[:2]
    first.write_bytes(second.read_bytes())


def _edit_report(_connection: sqlite3.Connection, home: Path) -> None:
    page = min(home.glob("reports/*/report-*.html"))
    page.write_text(page.read_text(encoding="utf-8").replace("fail", "pass"), encoding="utf-8")


def _cut_without_reports(connection: sqlite3.Connection, home: Path) -> None:
    for file in home.glob("reports/*/*"):
        if file.is_file():
            file.unlink()
    last = connection.execute("SELECT max(sequence) FROM ledger_entry").fetchone()[0]
    for table, row_id in connection.execute(
        "SELECT table_name, row_id FROM ledger_entry WHERE sequence > ?", (last - 3,)
    ).fetchall():
        connection.execute(f"DELETE FROM {table} WHERE id = ?", (row_id,))
    connection.execute("DELETE FROM ledger_entry WHERE sequence > ?", (last - 3,))


_ACTS: dict[str, Act] = {
    "a bit of a picture is turned": _alter("artifacts/*/*.png"),
    "a picture is exchanged": _swap,
    "a picture is removed": _remove("artifacts/*/*.png"),
    "a bit of an edit's weights is turned": _alter("artifacts/*/*.safetensors"),
    "a report's page is changed": _edit_report,
    "a report's figures are changed": _alter("reports/*/report-*.json"),
    "a report is removed": _remove("reports/*/report-*.json"),
    "a kept head of the ledger is changed": _alter("ledger-heads/*.json"),
    "the end of the ledger is cut off, with all reports": _cut_without_reports,
}
