"""Whether the certificates of a chain were revoked, by everybody who can be asked, and what to make of silence."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from cryptography import x509

from twig_assets.provenance.keys.certificates import date, name
from twig_assets.provenance.keys.revocation.answers import Answer, NoAnswerError, is_address
from twig_assets.provenance.keys.revocation.lists import fetch_list, listed_by, looked_up, read_list
from twig_assets.provenance.keys.revocation.responders import ask_responder, responders_of
from twig_assets.provenance.keys.settings import SigningSettings

_NEW = "get a new one with a new key"


@dataclass(frozen=True)
class Revocation:
    """What is known of the revocation of a chain.

    Attributes:
        problems: What keeps it from signing, each with what to do.
        warnings: Certificates of which nobody could say, though somebody should; it signs all the same.
        known: Certificates that were not revoked, and who said so.
    """

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    @property
    def fact(self) -> str | None:
        """The same for the record; None where nobody is named who could be asked."""
        return "; ".join([*self.known, *self.warnings]) or None


def revocation_of(
    chain: Sequence[x509.Certificate], settings: SigningSettings, folder: Path, now: datetime
) -> Revocation:
    """Ask whether the certificates of a chain were revoked: all but the last, which nobody of the chain issued.

    The lists that the settings name come first, then a responder, and where that says nothing, the list that the
    certificate itself names. One word that a certificate was revoked counts, whatever others say.

    Args:
        chain: The certificate that signs, then its issuer, and so on.
        settings: Who is asked, and what happens where nobody answers.
        folder: From where the paths of lists are seen.
        now: The time.

    Raises:
        CredentialError: If a list that the settings name as a file cannot be read.
    """
    lists = _Lists(settings.revocation_lists, folder)
    inquiries = []
    for place, (certificate, issuer) in enumerate(zip(chain, chain[1:], strict=False)):
        inquiry = _Inquiry(certificate, issuer, now)
        lists.ask(inquiry)
        if settings.revocation != "offline":
            # The responder that the settings name is that of the certificate that signs.
            inquiry.ask_online(settings.ocsp_url if place == 0 else None)
        inquiries.append(inquiry)
    return Revocation(
        problems=(
            *lists.strangers(chain),
            *_alone(chain, settings),
            *(p for i in inquiries for p in i.problems(settings)),
        ),
        warnings=tuple(w for i in inquiries for w in i.warnings(settings)),
        known=tuple(k for i in inquiries for k in i.known()),
    )


class _Inquiry:
    """What is found out about one certificate."""

    def __init__(self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> None:
        self.certificate, self.issuer, self.now = certificate, issuer, now
        self.answers: list[Answer] = []
        self.silent: list[str] = []
        self.useless: list[str] = []

    def look(self, source: str, listed: x509.CertificateRevocationList, silent: list[str]) -> None:
        """Look into a list; why it says nothing is added to `silent`."""
        try:
            self.answers.append(looked_up(listed, source, self.certificate, self.issuer, self.now))
        except NoAnswerError as error:
            silent.append(f"{source} {error}")

    def ask_online(self, responder: str | None) -> None:
        """Ask this responder, or those that the certificate names; where none answers, fetch the list that it names."""
        before = len(self.answers)
        for url in [responder] if responder else responders_of(self.certificate):
            self._ask(f"the responder {url}", partial(ask_responder, url, self.certificate, self.issuer, self.now))
        if len(self.answers) > before:
            return
        for url in listed_by(self.certificate):
            source = f"the list {url}"
            self._ask(source, partial(self._fetched, url, source))
            if len(self.answers) > before:
                return

    def problems(self, settings: SigningSettings) -> Iterator[str]:
        who = name(self.certificate)
        yield from self.useless
        for answer in self.answers:
            if answer.status == "revoked":
                when = f" on {date(answer.revoked_at)}" if answer.revoked_at else ""
                yield f"the certificate {who} was revoked{when}, says {answer.source}; {_NEW}"
            elif answer.status == "unknown":
                yield f"{answer.source} does not know the certificate {who}; ask its issuer, or {_NEW}"
        if settings.revocation == "required" and not self.answers and not self.useless:
            yield f"{self._nobody()}, and `revocation` in signing.yaml is `required`"

    def warnings(self, settings: SigningSettings) -> Iterator[str]:
        if self.silent and not self.answers and settings.revocation != "required":
            yield self._nobody()

    def known(self) -> Iterator[str]:
        if sources := [answer.source for answer in self.answers if answer.status == "good"]:
            yield f"{name(self.certificate)} is not revoked, by {' and '.join(sources)}"

    def _nobody(self) -> str:
        why = "; ".join(self.silent) or "it names no responder and no list, and `revocation_lists` has none"
        return f"nobody could say whether the certificate {name(self.certificate)} was revoked: {why}"

    def _fetched(self, url: str, source: str) -> Answer:
        return looked_up(fetch_list(url), source, self.certificate, self.issuer, self.now)

    def _ask(self, source: str, ask: Callable[[], Answer]) -> None:
        try:
            self.answers.append(ask())
        except NoAnswerError as error:
            self.silent.append(f"{source} {error}")


class _Lists:
    """The lists that the settings name, as files and by address."""

    def __init__(self, sources: Sequence[str], folder: Path) -> None:
        self.files = {f"the list {source}": read_list(folder / source) for source in sources if not is_address(source)}
        self.fetched: dict[str, x509.CertificateRevocationList] = {}
        self.away: list[str] = []
        for source in filter(is_address, sources):
            try:
                self.fetched[f"the list {source}"] = fetch_list(source)
            except NoAnswerError as error:
                self.away.append(f"the list {source} {error}")

    def ask(self, inquiry: _Inquiry) -> None:
        """Look a certificate up. A file that says nothing has to be replaced; a server may answer tomorrow."""
        inquiry.silent += self.away
        for lists, silent in ((self.files, inquiry.useless), (self.fetched, inquiry.silent)):
            for source, listed in _of(lists, inquiry.issuer).items():
                inquiry.look(source, listed, silent)

    def strangers(self, chain: Sequence[x509.Certificate]) -> Iterator[str]:
        """Lists that are of no use for this chain."""
        subjects = [issuer.subject for issuer in chain[1:]]
        for source, listed in {**self.files, **self.fetched}.items():
            if listed.issuer not in subjects:
                issuer = listed.issuer.rfc4514_string()
                yield f"{source} is by {issuer!r}, who issued no certificate of the chain; name that of its issuer"


def _of(
    lists: Mapping[str, x509.CertificateRevocationList], issuer: x509.Certificate
) -> dict[str, x509.CertificateRevocationList]:
    return {source: listed for source, listed in lists.items() if listed.issuer == issuer.subject}


def _alone(chain: Sequence[x509.Certificate], settings: SigningSettings) -> Iterator[str]:
    if len(chain) == 1 and settings.revocation == "required":
        yield (
            f"the chain has no issuer of {name(chain[0])}, so nobody can be asked whether it was revoked; add the "
            "issuer's certificate to `chain`"
        )
