"""Whether certificates were revoked: lists of their issuers (CRL) and responders (OCSP), asked before a signature."""

from twig_assets.provenance.keys.revocation.status import Revocation, revocation_of

__all__ = ["Revocation", "revocation_of"]
