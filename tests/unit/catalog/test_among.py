"""Lists of any length in a condition, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.unit.catalog.filled import Filled, digest
from twig_assets.catalog.among import among
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Prompt
from twig_assets.compliance.candidates import adherence_in_force, audits_in_force, verdicts_in_force

MANY = 70_001
"""More than either database takes as variables of one statement."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    make: Callable[[], str] = request.getfixturevalue("postgres")
    return make()


def test_more_members_than_a_statement_has_variables_for(url: str) -> None:
    catalog = open_catalog(url)
    with catalog.session() as session:
        filled = Filled(session, prompts=3)
        image = filled.image()
        texts = [digest(str(n)) for n in range(MANY)]
        assert session.scalars(select(Prompt.text).where(among(Prompt.sha256, texts)).order_by(Prompt.id)).all() == [
            "thing 0",
            "thing 1",
            "thing 2",
        ]
        ids = range(image.id, image.id + MANY)
        rules = replace(filled.rules, allowed=tuple(str(n) for n in range(MANY)))
        assert audits_in_force(session, ids, rules) == adherence_in_force(session, ids, rules) == {}
        assert verdicts_in_force(session, ids, rules).audits == {}
        assert session.scalars(select(Prompt.id).where(among(Prompt.id, []))).all() == []
    catalog.close()
