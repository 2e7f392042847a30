"""Settings of what a release's credential says: the part `credentials` of a campaign's `policy.yaml`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator


class CredentialSettings(BaseModel):
    """Whether releases are signed, and what they say of themselves. `credentials: required` alone sets the first field.

    Attributes:
        when: `required` releases nothing that could not be signed; `if_possible` signs what it can; `off` signs
            nothing. Left out, it is `required` once there are keys, and `off` before.
        prompt: Whether a file shows its prompt's `text`, or only its `hash`. What is published cannot be taken back.
        people: Whether it names the people who decided about it (`names`), or only says how they decided (`none`).
        do_not_train: Whether it says that nobody may train on it or mine it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: Literal["required", "if_possible", "off"] | None = None
    prompt: Literal["hash", "text"] = "hash"
    people: Literal["names", "none"] = "names"
    do_not_train: bool = False

    @model_validator(mode="before")
    @classmethod
    def _a_word_is_when(cls, value: Any) -> Any:
        # YAML reads a bare `off` as false.
        if value is False:
            return {"when": "off"}
        return {"when": value} if isinstance(value, str) else value
