"""Reading the credential of a file, of whatever origin, and saying in a sentence what it proves."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import c2pa
from pydantic import BaseModel, ConfigDict, ValidationError

from twig_assets.provenance.keys.names import TEST_ORGANISATION
from twig_assets.provenance.keys.places import keys_folder
from twig_assets.provenance.manifest import TRAINING_LABEL
from twig_assets.provenance.media import SUPPORTED, media_type_of
from twig_assets.provenance.problems import NO_TRUST, Problem, problems_of
from twig_assets.provenance.statement import RELEASE_LABEL, ReleaseStatement

State = Literal["trusted", "valid", "invalid", "none", "unreadable"]
# What a certificate is named by: serial number and organisation.
_Names = tuple[str | None, str | None]


class TrustSettings(BaseModel):
    """Whom this installation trusts: certificates in PEM, one after the other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    anchors: str = ""


class Signer(BaseModel):
    """Who signed, by the certificate.

    Attributes:
        name: The certificate's common name.
        organisation: Its organisation.
        serial: Its serial number, in decimal.
        algorithm: Of the signature, such as `Es256`.
        test: Whether it is of a test chain, which `twig keys create` makes and anybody can make.
    """

    model_config = ConfigDict(frozen=True)

    name: str | None
    organisation: str | None
    serial: str | None
    algorithm: str | None
    test: bool


class IngredientLine(BaseModel):
    """Something that the picture was made from; `manifest` names its own credential, where it brought one along."""

    model_config = ConfigDict(frozen=True)

    title: str | None
    relationship: str
    manifest: str | None
    instance_id: str | None


class Credentials(BaseModel):
    """What a file's credential says and whether it holds.

    Attributes:
        state: `trusted`: unchanged, and signed by somebody whom this installation trusts; `valid`: unchanged, and
            signed by somebody else; `invalid`: it does not hold; `none`: there is none; `unreadable`: nobody can tell.
        sentence: The same for a person.
        problems: Why it does not hold, the most telling first.
        manifest: Name of the manifest that speaks of the content.
        generator: The program that wrote the claim.
        title: The picture's title.
        source_types: The digital source types that its actions name, as IPTC's URIs.
        signer: Who signed.
        time_stamp: When a time stamp says that it was signed; None without one.
        time_stamp_trusted: Whether that comes from a server whose certificate this installation trusts.
        release: What a release of this program says about itself; None for all others.
        ingredients: What it was made from.
        do_not_train: Whether it says that nobody may train on it; None where it says nothing.
    """

    model_config = ConfigDict(frozen=True)

    state: State
    sentence: str
    problems: tuple[Problem, ...] = ()
    manifest: str | None = None
    generator: str | None = None
    title: str | None = None
    source_types: tuple[str, ...] = ()
    signer: Signer | None = None
    time_stamp: datetime | None = None
    time_stamp_trusted: bool = False
    release: ReleaseStatement | None = None
    ingredients: tuple[IngredientLine, ...] = ()
    do_not_train: bool | None = None

    @property
    def holds(self) -> bool:
        """Whether the file is as it was signed."""
        return self.state in ("trusted", "valid")


def read_credentials(path: Path, trust: TrustSettings | None = None) -> Credentials:
    """What the credential of a file says, and whether it holds; works offline and for files of any origin.

    Args:
        path: A picture.
        trust: Whom to trust; by default the certificates in the folder `trust` of the keys.

    Raises:
        OSError: If the file cannot be read.
    """
    return credentials_of(path.read_bytes(), trust)


def credentials_of(data: bytes, trust: TrustSettings | None = None) -> Credentials:
    """The same for a picture's bytes."""
    media_type = media_type_of(data)
    if media_type is None:
        sentence = f"It is no picture that credentials are read from: {SUPPORTED} are."
        return Credentials(state="unreadable", sentence=sentence)
    try:
        with c2pa.Reader(media_type, io.BytesIO(data), context=context(trust or own_trust())) as reader:
            found, detail = json.loads(reader.json()), json.loads(reader.detailed_json())
    except c2pa.C2paError.ManifestNotFound:
        sentence = "It carries no credential: it never had one, or something removed it, as many web sites do."
        return Credentials(state="none", sentence=sentence)
    except c2pa.C2paError as error:
        return Credentials(state="unreadable", sentence=f"Its credential is damaged and cannot be read: {error}.")
    return _Store(found, detail).credentials()


def own_trust() -> TrustSettings:
    """Whom this installation trusts: all certificates in the folder `trust` beside its keys."""
    files = sorted((keys_folder() / "trust").glob("*.pem"))
    return TrustSettings(anchors="\n".join(file.read_text(encoding="ascii") for file in files))


def context(trust: TrustSettings, builder: Mapping[str, Any] | None = None) -> c2pa.Context:
    """The library's settings: nothing is fetched from elsewhere, and no thumbnail is made.

    A thumbnail takes fifteen times as long as signing and doubles small files.
    """
    settings: dict[str, Any] = {
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
        "builder": {"thumbnail": {"enabled": False}, **(builder or {})},
    }
    if trust.anchors:
        settings["trust"] = {"trust_anchors": trust.anchors}
    return c2pa.Context.from_dict(settings)


class _Store:
    """All manifests of a file: what the library found, and the same in detail."""

    def __init__(self, found: dict[str, Any], detail: dict[str, Any]) -> None:
        self.found, self.detail = found, detail
        self.active = found["active_manifest"]
        self.label = self._content()

    def credentials(self) -> Credentials:
        content = self.found["manifests"][self.label]
        problems, trusted = tuple(problems_of(self._failures())), self._trusted()
        signer, (stamp, stamp_trusted) = _signer(content), self._time_stamp()
        release, unreadable = _release(content)
        problems += unreadable
        state: State = "invalid" if problems else "trusted" if trusted else "valid"
        return Credentials(
            state=state,
            sentence=_sentence(state, problems, signer),
            problems=problems,
            manifest=self.label,
            generator=next((g.get("name") for g in content.get("claim_generator_info", [])), None),
            title=content.get("title"),
            source_types=tuple(_source_types(content)),
            signer=signer,
            time_stamp=stamp,
            time_stamp_trusted=stamp_trusted,
            release=release,
            ingredients=tuple(_ingredients(content)),
            do_not_train=_do_not_train(content),
        )

    def _content(self) -> str:
        """The manifest that is bound to the content: below updates, which add a time stamp and change nothing."""
        label = self.active
        for _ in self.found["manifests"]:
            if self._is_bound(label):
                return label
            parents = [i for i in self.found["manifests"][label].get("ingredients", []) if _is_parent(i)]
            if len(parents) != 1 or parents[0].get("active_manifest") not in self.found["manifests"]:
                return self.active
            label = parents[0]["active_manifest"]
        return self.active

    def _is_bound(self, label: str) -> bool:
        assertions = self.detail["manifests"][label].get("assertion_store", {})
        return any(name.startswith("c2pa.hash.") for name in assertions)

    def _failures(self) -> Iterator[str]:
        """Codes of what failed, of the active manifest and of those below that speak of the same content."""
        results = self.found.get("validation_results", {})
        yield from (item["code"] for item in results.get("activeManifest", {}).get("failure", []))
        yield from (item["code"] for item in self.found.get("validation_status", []))
        for delta in results.get("ingredientDeltas", []) if self.label != self.active else []:
            yield from (item["code"] for item in delta.get("validationDeltas", {}).get("failure", []))

    def _trusted(self) -> bool:
        # Whoever adds an update must be whoever signed the content: else the content would be trusted for its sake.
        same = _names(self.found["manifests"][self.active]) == _names(self.found["manifests"][self.label])
        return self.found.get("validation_state") == "Trusted" and same

    def _time_stamp(self) -> tuple[datetime | None, bool]:
        text = self.found["manifests"][self.active].get("signature_info", {}).get("time")
        success = self.found.get("validation_results", {}).get("activeManifest", {}).get("success", [])
        codes = {item["code"] for item in success}
        if text is None or "timeStamp.validated" not in codes:
            return None, False
        return datetime.fromisoformat(text), "timeStamp.trusted" in codes


def _sentence(state: State, problems: tuple[Problem, ...], signer: Signer) -> str:
    who = signer.name or "somebody without a name"
    who += f" ({signer.organisation})" if signer.organisation else ""
    note = " It is a test key, which proves nothing to anybody else." if signer.test else ""
    if state == "trusted":
        return f"It is as {who} signed it, whom this installation trusts.{note}"
    if state == "valid":
        return f"It is as it was signed in the name of {who}, whom {NO_TRUST}.{note}"
    return " ".join(problem.sentence for problem in problems)


def _signer(manifest: dict[str, Any]) -> Signer:
    info = manifest.get("signature_info", {})
    return Signer(
        name=info.get("common_name"),
        organisation=info.get("issuer"),
        serial=info.get("cert_serial_number"),
        algorithm=info.get("alg"),
        test=info.get("issuer") == TEST_ORGANISATION,
    )


def _names(manifest: dict[str, Any]) -> _Names:
    info = manifest.get("signature_info", {})
    return info.get("cert_serial_number"), info.get("issuer")


def _assertions(manifest: dict[str, Any], label: str) -> Iterator[dict[str, Any]]:
    """The data of the assertions of a label; a second one of the same label has a number behind it."""
    for assertion in manifest.get("assertions", []):
        name, data = assertion.get("label", ""), assertion.get("data")
        if (name == label or name.startswith(f"{label}__")) and isinstance(data, dict):
            yield data


def _release(manifest: dict[str, Any]) -> tuple[ReleaseStatement | None, tuple[Problem, ...]]:
    for data in _assertions(manifest, RELEASE_LABEL):
        try:
            return ReleaseStatement.model_validate(data), ()
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            sentence = f"What it says about its release cannot be understood ({where}): another version wrote it."
            return None, (Problem(code="twig.release.malformed", sentence=sentence),)
    return None, ()


def _source_types(manifest: dict[str, Any]) -> Iterator[str]:
    for label in ("c2pa.actions.v2", "c2pa.actions"):
        for data in _assertions(manifest, label):
            for action in data.get("actions", []):
                if isinstance(action, dict) and isinstance(action.get("digitalSourceType"), str):
                    yield action["digitalSourceType"]


def _is_parent(ingredient: Mapping[str, Any]) -> bool:
    return ingredient.get("relationship") == "parentOf"


def _ingredients(manifest: dict[str, Any]) -> Iterator[IngredientLine]:
    for ingredient in manifest.get("ingredients", []):
        yield IngredientLine(
            title=ingredient.get("title"),
            relationship=ingredient.get("relationship", "componentOf"),
            manifest=ingredient.get("active_manifest"),
            instance_id=ingredient.get("instance_id"),
        )


def _do_not_train(manifest: dict[str, Any]) -> bool | None:
    uses: list[Any] = []
    for label in (TRAINING_LABEL, "c2pa.training-mining"):
        for data in _assertions(manifest, label):
            entries = data.get("entries")
            values: Iterable[Any] = entries.values() if isinstance(entries, dict) else []
            uses += [entry.get("use") for entry in values if isinstance(entry, dict)]
    return "notAllowed" in uses if uses else None
