"""Settings of the check that prompts pass before any image is made."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PromptCheckSettings(BaseModel):
    """What is done with prompts that name something protected.

    Protected are the targets of the campaign's concepts, their aliases, and the titles in `references.csv`.

    Attributes:
        protected: `warn` draws them as they are and names them; the audit judges what comes out. `rewrite` puts a
            concept's anchor in its place; a title has none, so it is refused. `refuse` makes no image of the batch.
        typing_errors: Letters that may be wrong, missing, doubled or swapped for words still to count as protected: at
            most this many, one for phrases of five to nine letters, none for shorter ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protected: Literal["warn", "rewrite", "refuse"] = "warn"
    typing_errors: int = Field(2, ge=0, le=2)
