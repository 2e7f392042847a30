import pytest

from tests.unit.provenance.signing_kit import Chain


@pytest.fixture(scope="session")
def chain() -> Chain:
    return Chain()
