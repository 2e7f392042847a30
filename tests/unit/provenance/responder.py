"""A small authority on this machine, for tests: it says whether certificates were revoked, by OCSP and by a list."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from tests.unit.provenance.signing_kit import DAY, NOW, Chain
from twig_assets.provenance.keys.issuing import Wanted

HOUR = timedelta(hours=1)
GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN


class Authority:
    """Answers for the certificates of a chain's root.

    Attributes:
        status: What its responder says of every certificate.
        revoked: The numbers on its list.
        until: How long answers and lists count.
        signer, key: Who signs the responder's answers: the root, or somebody else.
        repeats: Whether answers repeat the number of the question.
        away: Whether it answers with an error.
        asked: What was asked of it: `ocsp` and `list`.
    """

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.status = GOOD
        self.revoked: list[int] = []
        self.made, self.until = NOW - HOUR, NOW + DAY
        self.signer, self.key = chain.root, chain.root_key
        self.repeats, self.away = True, False
        self.asked: list[str] = []
        self.url = ""

    def delegate(self, chain: Chain, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.OCSP_SIGNING) -> None:
        """Let a certificate by some chain sign the answers."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.signer = chain.issued(Wanted("responder", NOW - DAY, NOW + DAY, usage=usage), self.key)

    def listed(self, until: datetime | None = None, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
        """The list, in DER."""
        builder = x509.CertificateRevocationListBuilder(self.chain.root.subject, self.made, until or self.until)
        for serial in self.revoked:
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, NOW - HOUR).build())
        return builder.sign(key or self.chain.root_key, hashes.SHA256()).public_bytes(Encoding.DER)

    def answer(self, question: bytes) -> bytes:
        """What the responder says, in DER."""
        request = ocsp.load_der_ocsp_request(question)
        self.asked.append("ocsp")
        revoked = self.status == REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            request.issuer_name_hash,
            request.issuer_key_hash,
            request.serial_number,
            request.hash_algorithm,
            self.status,
            self.made,
            self.until,
            NOW - HOUR if revoked else None,
            x509.ReasonFlags.key_compromise if revoked else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.signer)
        if self.signer is not self.chain.root:
            builder = builder.certificates([self.signer])
        if self.repeats:
            nonce = request.extensions.get_extension_for_class(x509.OCSPNonce).value
            builder = builder.add_extension(nonce, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def named(self, *, responder: bool = True, lists: bool = False) -> x509.Certificate:
        """The chain's certificate as it would be if it named this authority."""
        extensions = [(e.value, e.critical) for e in self.chain.leaf.extensions]
        if responder:
            access = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(f"{self.url}ocsp")
            )
            extensions.append((x509.AuthorityInformationAccess([access]), False))
        if lists:
            place = [x509.UniformResourceIdentifier(f"{self.url}list")]
            points = [x509.DistributionPoint(place, None, None, None)]
            extensions.append((x509.CRLDistributionPoints(points), False))
        leaf = self.chain.leaf
        key, serial = self.chain.key.public_key(), leaf.serial_number
        builder = x509.CertificateBuilder(leaf.issuer, leaf.subject, key, serial, NOW - DAY, NOW + DAY)
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        return builder.sign(self.chain.root_key, hashes.SHA256())


@contextmanager
def serving(authority: Authority) -> Iterator[Authority]:
    """The authority with its address, as long as the `with` block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["content-length"]))
            self._send(authority.answer(question) if not authority.away else None)

        def do_GET(self) -> None:
            authority.asked.append("list")
            self._send(authority.listed() if not authority.away else None)

        def _send(self, content: bytes | None) -> None:
            self.send_response(200 if content else 503)
            self.send_header("content-length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    authority.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
