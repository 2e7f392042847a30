"""One of several processes that write into a catalog at once; as a module: `writer URL NAME COUNT`."""

import sys

from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Audit, CorpusVersion, Image, Model, PolicyRow, Prompt, PromptBatch


def shared_rows(url: str) -> None:
    """What all writers refer to."""
    with open_catalog(url).session() as session:
        session.add_all(
            [
                Model(sha256="0" * 64, checkpoint="embedded", base_sha256="0" * 64, edits=[]),
                PolicyRow(sha256="0" * 64, body={}),
                CorpusVersion(campaign="trial", sha256="0" * 64, members=[]),
            ]
        )


def write(url: str, name: str, count: int) -> None:
    """Add `count` prompts with an image and an audit each, all in transactions of their own, as a run does."""
    catalog = open_catalog(url)
    with catalog.session() as session:
        session.add(PromptBatch(key=name, campaign="trial"))
    for n in range(count):
        with catalog.session() as session:
            prompt = Prompt(batch_key=name, position=n, text=f"{name} {n}", seed=n, sha256=sha256_of([name, n]))
            session.add(prompt)
            session.flush()
            image = Image(
                sha256=sha256_of([name, n]),
                prompt_id=prompt.id,
                stage="regenerated",
                attempt=0,
                seed=n,
                model_id=1,
                settings={},
                settings_sha256="0" * 64,
                run_id=name,
            )
            session.add(image)
        with catalog.session() as session:
            session.add(
                Audit(
                    image_id=image.id,
                    policy_id=1,
                    corpus_version_id=1,
                    verdict="pass",
                    reasons=["said"],
                    scores={},
                    thresholds={},
                    versions={},
                    run_id=name,
                )
            )
    catalog.close()


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]))
