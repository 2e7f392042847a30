"""One of several processes that write into a catalog at once; as a module: `writer URL NAME COUNT`."""

import sys

from sqlalchemy.orm import Session

from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Audit, CorpusVersion, Image, Model, PolicyRow, Prompt, PromptBatch


def shared_rows(url: str) -> None:
    """Write the rows that those of all writers refer to: model, policy and corpus."""
    with open_catalog(url).session() as session:
        session.add_all(
            [
                Model(sha256="0" * 64, checkpoint="embedded", base_sha256="0" * 64, edits=[]),
                PolicyRow(sha256="0" * 64, body={}),
                CorpusVersion(campaign="trial", sha256="0" * 64, members=[]),
            ]
        )


def write(url: str, name: str, count: int) -> None:
    """Add prompts with an image and an audit each, every image and audit in a transaction of its own, as a run does.

    Args:
        url: The catalog's.
        name: Of the batch; no other writer has the same.
        count: Prompts.
    """
    catalog = open_catalog(url)
    with catalog.session() as session:
        session.add(PromptBatch(key=name, campaign="trial"))
    for number in range(count):
        with catalog.session() as session:
            image = _image(session, name, number)
        with catalog.session() as session:
            session.add(_audit(image, name))
    catalog.close()


def _image(session: Session, batch: str, number: int) -> Image:
    sha256 = sha256_of([batch, number])
    prompt = Prompt(batch_key=batch, position=number, text=f"{batch} {number}", seed=number, sha256=sha256)
    session.add(prompt)
    session.flush()
    image = Image(
        sha256=sha256,
        prompt_id=prompt.id,
        stage="regenerated",
        attempt=0,
        seed=number,
        model_id=1,
        settings={},
        settings_sha256="0" * 64,
        run_id=batch,
    )
    session.add(image)
    return image


def _audit(image: Image, run_id: str) -> Audit:
    return Audit(
        image_id=image.id,
        policy_id=1,
        corpus_version_id=1,
        verdict="pass",
        reasons=["below the threshold"],
        scores={},
        thresholds={},
        versions={},
        run_id=run_id,
    )


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]))
