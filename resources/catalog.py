"""The catalog and the artifact store."""

import dagster as dg
from pydantic import Field, PrivateAttr

from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.store import ArtifactStore


class CatalogResource(dg.ConfigurableResource):
    """Opens the catalog once per process.

    Attributes:
        url: SQLAlchemy URL; it may hold a password.
    """

    url: str = Field(repr=False)
    _catalog: Catalog | None = PrivateAttr(default=None)

    def open(self) -> Catalog:
        """The open catalog; raises SchemaError if it does not fit the code."""
        if self._catalog is None:
            self._catalog = open_catalog(self.url)
        return self._catalog


class StoreResource(dg.ConfigurableResource):
    """The content-addressed artifact store.

    Attributes:
        root: A folder or an fsspec URL.
    """

    root: str = Field(repr=False)

    def open(self) -> ArtifactStore:
        """The store; it needs no connection of its own."""
        return ArtifactStore(self.root)
