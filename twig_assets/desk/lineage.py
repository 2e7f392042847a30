"""Where an image comes from and what was decided about it, as `twig lineage` prints it, on a page."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, HTTPException, Request, Response
from rich.text import Text
from rich.tree import Tree
from sqlalchemy import select

from twig_assets.campaign.rules_in_force import rules_of
from twig_assets.catalog.models import Image, Prompt, PromptBatch
from twig_assets.desk.requests import TheCampaign, TheDesk, ThePerson
from twig_assets.desk.shown import shown
from twig_assets.evidence.lineage import read_lineage
from twig_assets.evidence.lineage_runs import ImageLineage
from twig_assets.evidence.lineage_tree import lineage_tree

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Branch:
    """A line of a lineage, and those below it."""

    text: str
    below: tuple["Branch", ...]


@router.get("/lineage/{campaign}/{key}")
def lineage(request: Request, desk: TheDesk, person: ThePerson, campaign: TheCampaign, key: str) -> Response:
    """All that the catalog has about an image: prompt, model and edits, masks, audits, decisions, releases."""
    prompt_id, _, sha256 = key.partition("-")
    with desk.catalog.snapshot() as session:
        of_campaign = select(Image).join(Prompt).join(PromptBatch).where(PromptBatch.campaign == campaign.name)
        wanted = of_campaign.where(Image.sha256.startswith(sha256, autoescape=True)).order_by(Image.id.desc())
        known = prompt_id.isdecimal() and len(prompt_id) < 13 and bool(sha256)
        image = session.scalars(wanted.where(Image.prompt_id == int(prompt_id))).first() if known else None
        if image is None:
            raise HTTPException(404, "There is no such image.")
        read = read_lineage(session, image, rules_of(session, campaign))
    whole = ImageLineage(**dict(read), runs=[], rules_problem=None, mlflow_problem=None)
    [root] = _branches([lineage_tree(whole)])
    return shown(
        request, "lineage.html.j2", person, campaign=campaign, key=key, image=read.image, prompt=read.prompt, root=root
    )  # fmt: skip


def _branches(trees: list[Tree]) -> Iterator[Branch]:
    for tree in trees:
        label = tree.label if isinstance(tree.label, Text) else Text.from_markup(str(tree.label))
        yield Branch(label.plain, tuple(_branches(tree.children)))
