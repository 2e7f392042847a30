"""What an export says to whoever gets it: how to check its files, and captions that disclose what they are."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from twig_assets.export.manifest import Manifest, as_csv
from twig_assets.files import page_templates
from twig_assets.provenance.credentials import Credentials, read_credentials
from twig_assets.provenance.label import LabelSettings, disclosed

PAGE, CAPTIONS = "how-to-check.html", "captions.csv"


class Caption(BaseModel):
    """What to print below an image, and what to read to those who cannot see it. Both disclose how it was made."""

    model_config = ConfigDict(frozen=True)

    file: str
    caption: str
    alt_text: str


def write_guide(manifest: Manifest, folder: Path, label: LabelSettings | None = None) -> None:
    """Write the page and the captions into an export that has its images.

    Args:
        manifest: What the export says of its images.
        folder: The export.
        label: The label on its images; None for none.
    """
    captions = [
        Caption(file=entry.file, caption=disclosed("", label), alt_text=disclosed(entry.prompt, label))
        for entry in manifest.images
    ]
    (folder / CAPTIONS).write_text(as_csv(captions, list(Caption.model_fields)), encoding="utf-8-sig", newline="")
    page = page_templates(Path(__file__).parent).get_template("guide.html.j2")
    read = [read_credentials(folder / entry.file) for entry in manifest.images]
    body = page.render(manifest=manifest, label=label, example=_example(manifest), **_credentials(read))
    (folder / PAGE).write_text(body, encoding="utf-8")


def _example(manifest: Manifest) -> str:
    return manifest.images[0].file if manifest.images else "images/FILE.png"


def _credentials(read: Sequence[Credentials]) -> dict[str, object]:
    """How many files have a credential, who signed them, and whether it was a test key."""
    signed = [credentials for credentials in read if credentials.holds]
    signers = [credentials.signer for credentials in signed if credentials.signer]
    names = sorted({f"{signer.name or 'no name'} ({signer.organisation or 'no organisation'})" for signer in signers})
    return {
        "signed": len(signed),
        "signers": names,
        "test": any(signer.test for signer in signers),
        "stamped": sum(credentials.time_stamp is not None for credentials in signed),
    }
