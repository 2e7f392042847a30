"""What people allow of works: written down, in force, ended and taken back."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from twig_assets.campaign.allowed_elements import (
    allow,
    as_row,
    described,
    element_states,
    elements_in_force,
    keys_that_hold,
    lift_element,
    what_is_left_out,
)
from twig_assets.campaign.element_parts import AllowedElementError, all_but
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import LedgerEntry, Reference
from twig_assets.evidence.checks import check_ledger


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    with catalog.session() as opened:
        for campaign in ("demo", "autumn"):
            for name in ("a", "b"):
                work = {"title": f"work {name}", "rights_holder": "", "licence": "", "file": f"{name}.png"}
                opened.add(Reference(campaign=campaign, sha256=name * 64, **work))
        yield opened
    catalog.close()


def test_an_element_holds_until_its_last_day_is_over(session: Session) -> None:
    element = allow(session, "demo", "a.png", "licensed", "Ada", "bought", until="2099-03-01")
    assert [one.id for one in elements_in_force(session, "demo", date(2099, 3, 1))] == [element.id]
    assert elements_in_force(session, "demo", date(2099, 3, 2)) == []
    [state] = element_states(session, "demo", date(2099, 3, 2))
    assert state.standing == "ended after 2099-03-01"
    assert elements_in_force(session, "autumn") == []


def test_an_element_may_hold_in_all_campaigns_and_is_lifted_in_all(session: Session) -> None:
    element = allow(session, "demo", "b" * 64, "generic", "Ada", "nobody's own", everywhere=True)
    assert elements_in_force(session, "autumn") == [element]
    lift_element(session, "autumn", element.id, "Bob", "it is somebody's")
    assert elements_in_force(session, "demo") == []
    [state] = element_states(session, "demo")
    assert as_row(state)["lifted"] == {"who": "Bob", "why": "it is somebody's"}
    with pytest.raises(AllowedElementError, match="none that holds"):
        lift_element(session, "demo", element.id, "Bob", "twice")


def test_parts_are_shares_of_the_work_and_a_frame_is_all_but_what_is_inside(session: Session) -> None:
    element = allow(session, "demo", "work a", "generic", "Ada", "a frame", parts=all_but((0.1, 0.2, 0.8, 0.6)))
    [left_out] = what_is_left_out([element])
    assert sum(width * height for _, _, width, height in left_out.parts) == pytest.approx(1 - 0.8 * 0.6)
    assert "4 parts (0% to 100% from the left and 0% to 20% from the top" in described(element)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"work": "c.png"}, "no work of 'demo' by 'c.png'"),
        ({"work": "work a", "who": " "}, "who and why"),
        ({"kind": "mine"}, "none of licensed, generic"),
        ({"until": "2020-01-01"}, "over already"),
        ({"until": "soon"}, "is no day"),
        ({"parts": [(0.5, 0, 0.6, 1)]}, "does not lie on the work"),
        ({"parts": [(0, 0, float("nan"), 1)]}, "is not x, y, width and height"),
        ({"parts": [(0, 0, 1, 0)]}, "does not lie on the work"),
    ],
)
def test_what_cannot_be_written_down_says_why(session: Session, change: dict[str, object], message: str) -> None:
    values = {"work": "a.png", "kind": "licensed", "who": "Ada", "why": "bought", **change}
    with pytest.raises(AllowedElementError, match=message):
        allow(session, "demo", **values)  # type: ignore[arg-type]


def test_elements_are_chained(session: Session) -> None:
    allow(session, "demo", "a.png", "licensed", "Ada", "bought")
    session.dispatch.before_commit(session)
    assert [entry.table_name for entry in session.query(LedgerEntry)][-1] == "allowed_element"
    assert list(check_ledger(session.connection())) == []
    assert keys_that_hold(session, elements_in_force(session, "demo")) == ()
