"""Asking for a run: another draw, another prompt, or a concept that is removed; and who takes it up."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response

from twig_assets.campaign.rules_in_force import rules_of
from twig_assets.compliance.next_steps import ask_for_prompt, ask_to_redraw, ask_to_remove
from twig_assets.desk.app import Desk
from twig_assets.desk.requests import FormedPerson, TheCampaign, TheDesk, must_be_allowed
from twig_assets.desk.shown import own_address, shown

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=2000)]


@router.post("/ask/{campaign}/{key}")
def ask(
    request: Request,
    desk: TheDesk,
    person: FormedPerson,
    campaign: TheCampaign,
    key: str,
    what: Annotated[str, Form(pattern="^(redraw|prompt|remove)$")],
    why: Text = "",
    text: Text = "",
    target: Text = "",
    anchor: Text = "",
    kind: Annotated[str, Form(max_length=20)] = "object",
    back: Text = "/queue",
) -> Response:
    """Write down what is asked for, where the pipeline looks for work, and say who takes it up."""
    must_be_allowed(person, what)
    number = key.partition("-")[0]
    if not number.isdecimal() or len(number) > 12:
        raise HTTPException(404, "There is no such image.")
    if what == "remove":
        name = ask_to_remove(campaign, target, anchor, kind, person.name, why)
        said = f"The concept {name} is to be removed: the model is made again, and then every image."
    else:
        with desk.catalog.session() as session:
            if what == "prompt":
                file = ask_for_prompt(session, campaign, text, person.name)
                said = f"The prompt waits in the inbox, as {file.name}."
            else:
                row = ask_to_redraw(session, campaign, rules_of(session, campaign), int(number), person.name, why)
                said = f"Attempt {row.attempt + 1} at this prompt is asked for."
    takes_up = _takes_up(desk, what, campaign.name)
    return shown(request, "asked.html.j2", person, said=said, takes_up=takes_up, back=own_address(back))


def _takes_up(desk: Desk, what: str, campaign: str) -> tuple[bool, str]:
    """Whether something is at work already, and who takes up what was asked for."""
    runs = desk.sensors_run()
    if runs:
        return True, "Dagster's daemon runs and takes it up within a minute or two."
    start = "No Dagster daemon runs, so nothing happens yet."
    if runs is None:
        start = "Nobody can say here whether Dagster's daemon runs."
    if what == "prompt":
        return False, f"{start} While `make ui` is open, one takes the prompt in."
    return False, f"{start} While `make ui` is open, one does it; `twig run --campaign {campaign}` does it without."
