"""A campaign as a component of Dagster's, for projects that are run by `dg`: its folder of definitions is its folder.

All campaigns of a project lie beside one another, and one location serves them all. So the first of them brings the
location's definitions along, and the others add nothing: their folders are read at every tick and every step.
"""

from pathlib import Path

import dagster as dg
import yaml
from pydantic import BaseModel, Field

from twig_assets.definitions import build_defs
from twig_assets.resources import CampaignsResource

_TYPE = "twig_assets.campaign_component.TwigCampaign"
_FILES = ("defs.yaml", "component.yaml")
_POLICY = """\
# Images that are more alike to a protected work than this fail. `twig calibrate` finds a threshold for your works.
ssim_threshold: 0.5
"""
_CONCEPTS = """\
# What the model must no longer draw, and what it draws in its place:
# - {target: a pouting cat, anchor: a cat, kind: object}
[]
"""
_PROMPTS = """\
- a red apple, fluent style, blue background
"""
_REFERENCES = """\
Put the protected works here, as pictures, and remove this file.
"""


class ScaffoldedCampaign(BaseModel):
    """What `dg scaffold defs` takes for a new campaign.

    Attributes:
        title: The name that people see.
    """

    title: str = Field("", description="The name that people see; the folder's by default.")


class CampaignScaffolder(dg.Scaffolder[ScaffoldedCampaign]):
    """Writes the files of a campaign that can run as soon as there are protected works."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldedCampaign]:
        """What may be given on the command line."""
        return ScaffoldedCampaign

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldedCampaign]) -> None:
        """Write `defs.yaml`, and of the campaign's files those that are not there yet."""
        folder = Path(request.target_path)
        title = request.params.title if request.params and request.params.title else folder.name
        dg.scaffold_component(request, {})
        (folder / "references").mkdir(exist_ok=True)
        files = {
            "campaign.yaml": yaml.safe_dump({"title": title}, allow_unicode=True),
            "policy.yaml": _POLICY,
            "concepts.yaml": _CONCEPTS,
            "prompts.yaml": _PROMPTS,
            "references/README.md": _REFERENCES,
        }
        for name, text in files.items():
            if not (folder / name).exists():
                (folder / name).write_text(text, encoding="utf-8")


@dg.scaffold_with(CampaignScaffolder)
class TwigCampaign(dg.Component, dg.Model, dg.Resolvable):
    """A campaign: images made from its prompts, checked against its protected works, and released with proof.

    Its settings are those of `campaign.yaml` and `policy.yaml` in the same folder, as for `twig run`; it has no
    attributes of its own.
    """

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The location's definitions, from the first campaign of a folder; nothing from the others."""
        campaign = Path(context.path)
        root = campaign.parent
        beside = sorted(folder.name for folder in root.iterdir() if _is_campaign(folder))
        if campaign.name != beside[0]:
            return dg.Definitions()
        return build_defs(resources={"campaigns": CampaignsResource(root=str(root))})


def _is_campaign(folder: Path) -> bool:
    """Whether a folder's definitions are a campaign's."""
    for name in _FILES:
        file = folder / name
        if not file.is_file():
            continue
        documents = yaml.safe_load_all(file.read_text(encoding="utf-8"))
        return any(isinstance(document, dict) and document.get("type") == _TYPE for document in documents)
    return False
