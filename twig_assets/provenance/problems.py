"""Why a credential does not hold: the codes of the C2PA specification, as sentences.

Source: C2PA Technical Specification 2.2, section 15.2 (standard status codes).
"""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict

NO_TRUST = "this installation does not trust: anybody can make a certificate with that name"

_CHANGED = "The file was changed after it was signed, or its credential was taken from another file."
_SAID = "What its credential says was changed after it was signed."
_INVALID_THEN = "The certificate was not valid when the file was signed: it had expired, or was not valid yet."
_STAMP = "Its time stamp does not fit the signature."

# The most telling first; what a code begins with is enough.
_SENTENCES = {
    "assertion.dataHash.mismatch": _CHANGED,
    "assertion.bmffHash.mismatch": _CHANGED,
    "assertion.boxesHash.mismatch": _CHANGED,
    "assertion.hashedURI.mismatch": _SAID,
    "claimSignature.mismatch": _SAID,
    "signingCredential.revoked": "The certificate was revoked by its issuer.",
    "signingCredential.ocsp.revoked": "The certificate was revoked by its issuer.",
    "signingCredential.expired": _INVALID_THEN,
    "claimSignature.outsideValidity": _INVALID_THEN,
    "signingCredential.invalid": "The certificate may not sign pictures: it lacks a key usage or extension for that.",
    "timeStamp.outsideValidity": "Its time stamp lies outside the time in which the server's certificate is valid.",
    "timeStamp.mismatch": _STAMP,
    "timeStamp.malformed": _STAMP,
    "claim.hardBindings.missing": "Its credential is not tied to the content of any file.",
    "assertion.missing": "A part of its credential is missing.",
    "ingredient": "The credential of something that it was made from does not hold.",
}
# Nobody is trusted for a test; the state says so. A time stamp of a stranger counts as none.
_NO_PROBLEM = ("signingCredential.untrusted", "timeStamp.untrusted")


class Problem(BaseModel):
    """Why a credential does not hold: the specification's code, and a sentence for a person."""

    model_config = ConfigDict(frozen=True)

    code: str
    sentence: str


def problems_of(codes: Iterable[str]) -> Iterator[Problem]:
    """The problems that status codes stand for, each sentence once, the most telling first.

    A code that this version does not know is a problem too.
    """
    failed = sorted(set(codes) - set(_NO_PROBLEM), key=_rank)
    told: set[str] = set()
    for code in failed:
        sentence = _sentence(code)
        if sentence not in told:
            told.add(sentence)
            yield Problem(code=code, sentence=sentence)


def _rank(code: str) -> tuple[int, str]:
    order = list(_SENTENCES)
    return next((order.index(start) for start in order if code.startswith(start)), len(order)), code


def _sentence(code: str) -> str:
    known = next((sentence for start, sentence in _SENTENCES.items() if code.startswith(start)), None)
    return known or f"Its credential does not hold: {code}."
