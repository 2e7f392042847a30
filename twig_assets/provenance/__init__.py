"""Credentials of what is published: what a file says about itself, signed, and how to read that again.

`read_credentials` says what a file brings along, of whatever origin; `sign_picture` writes a credential into one;
`keys` holds who signs.
"""

from twig_assets.provenance.credentials import Credentials, TrustSettings, read_credentials
from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.statement import ReleaseStatement

__all__ = ["CredentialError", "Credentials", "ReleaseStatement", "TrustSettings", "read_credentials"]
