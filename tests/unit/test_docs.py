"""The pages say what is there: links, commands, targets, modules and examples that they name exist."""

import re
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from twig_assets.campaign import Campaign
from twig_assets.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "MODEL_CARD.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MODULE = re.compile(r"\b(?:twig_assets|tests)(?:[./]\w+)+(?:\.py)?")
_SECOND = "add|build|check|create|export|info|remove|stamp|upgrade|use|verify"
COMMAND = re.compile(rf"(?:`|^|bin/)twig ((?:[a-z]+)(?: (?:{_SECOND}))?)", re.MULTILINE)
TARGET = re.compile(r"(?:`|^)make ([a-z][a-z-]*)", re.MULTILINE)
CAMPAIGN = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)

every_page = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands() -> set[str]:
    """The names of all commands of `twig`, those of a group with and without the group's name."""
    groups = vars(typer.main.get_command(app))["commands"]
    names = set(groups)
    for name, command in groups.items():
        names |= {f"{name} {inner}" for inner in getattr(command, "commands", {})}
    return names


def exists(module: str) -> bool:
    """Whether a module, an attribute or a path exists; of a path with NAME for what is to be chosen, the folder."""
    if "/" in module:
        return (ROOT / re.sub(r"/(?:test_)?NAME\b.*", "", module)).exists()
    path = ROOT / module.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    sources = [path.parent.with_suffix(".py"), path.parent / "__init__.py"]
    return any(re.search(rf"\b{path.name}\b", file.read_text(encoding="utf-8")) for file in sources if file.is_file())


def test_the_readme_stays_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 170


@every_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in LINK.findall(CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_page_is_linked_from_the_readme_or_another_page() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:|#", link)
    }
    assert [page for page in PAGES if page not in linked and page.name != "README.md"] == []


@every_page
def test_commands_that_a_page_names_exist(page: Path) -> None:
    named = set(COMMAND.findall(page.read_text(encoding="utf-8")))
    assert named - commands() == set()


def test_every_command_is_described() -> None:
    named = set(COMMAND.findall((ROOT / "docs" / "commands.md").read_text(encoding="utf-8")))
    groups = {name.split()[0] for name in commands() if " " in name}
    assert commands() - groups - named == set()


@every_page
def test_make_targets_that_a_page_names_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(TARGET.findall(page.read_text(encoding="utf-8"))) - targets == set()


@every_page
def test_modules_that_a_page_names_exist(page: Path) -> None:
    named = set(MODULE.findall(page.read_text(encoding="utf-8")))
    assert sorted(name for name in named if not exists(name)) == []


def test_the_architecture_describes_every_room_of_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers")
    rooms = {room for layer in layers for room in re.findall(r"\w+", layer)}
    described = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "architecture.md").read_text("utf-8"), re.MULTILINE))
    assert described == rooms


def test_examples_of_a_campaign_file_are_valid() -> None:
    texts = [text for page in PAGES for text in CAMPAIGN.findall(page.read_text(encoding="utf-8"))]
    examples = [fields for text in texts if isinstance(fields := yaml.safe_load(text), dict) and "title" in fields]
    assert len(examples) >= 2
    for fields in examples:
        Campaign(name="example", folder=Path("campaigns/example"), **fields)
