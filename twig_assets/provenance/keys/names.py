"""Names that certificates carry."""

TEST_ORGANISATION = "TEST CHAIN of twig-assets, proves nothing"
"""Organisation of every certificate that `twig keys create` makes. Files carry it, so everybody sees what it is."""
