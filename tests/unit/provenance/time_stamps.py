"""A small server of time stamps (RFC 3161) on this machine, for tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.provenance.signing_kit import DAY, NOW, Chain
from twig_assets.provenance.keys.issuing import Wanted


class TimeStamps:
    """Stamps in the name of a certificate of a chain.

    Attributes:
        moment: The time that it stamps; the clock's where it is None.
        asked: How many stamps it gave.
    """

    def __init__(self, chain: Chain) -> None:
        self.chain, self.key = chain, ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.TIME_STAMPING
        self.certificate = chain.issued(Wanted("test time stamps", NOW - DAY, NOW + DAY, usage=usage), self.key)
        self.moment: datetime | None = None
        self.asked = 0

    def answer(self, query: bytes) -> bytes:
        request = tsp.TimeStampReq.load(query)
        self.asked += 1
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": "1.2.3.4.1",
                "message_imprint": request["message_imprint"],
                "serial_number": self.asked,
                "gen_time": (self.moment or datetime.now(UTC)).replace(microsecond=0),
                "nonce": request["nonce"],
            }
        )
        token = cms.ContentInfo({"content_type": "signed_data", "content": self._signed(info)})
        return tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump()

    def _signed(self, info: tsp.TSTInfo) -> cms.SignedData:
        own, root = (
            asn1_x509.Certificate.load(c.public_bytes(serialization.Encoding.DER))
            for c in (self.certificate, self.chain.root)
        )
        digest = hashes.Hash(hashes.SHA256())
        digest.update(info.dump())
        named = tsp.ESSCertIDv2({"cert_hash": self.certificate.fingerprint(hashes.SHA256())})
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [digest.finalize()]},
                {"type": "signing_certificate_v2", "values": [{"certs": [named]}]},
            ]
        )
        signer = cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier(
                    {"issuer_and_serial_number": {"issuer": own.issuer, "serial_number": own.serial_number}}
                ),
                "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
                "signed_attrs": attributes,
                "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
                "signature": self.key.sign(attributes.untag().dump(force=True), ec.ECDSA(hashes.SHA256())),
            }
        )
        return cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [{"algorithm": "sha256"}],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info.dump())},
                "certificates": [own, root],
                "signer_infos": [signer],
            }
        )


@contextmanager
def serving(stamps: TimeStamps) -> Iterator[str]:
    """The server's address, as long as the `with` block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = stamps.answer(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
