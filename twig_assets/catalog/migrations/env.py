"""Runs the migrations on the connection that `twig_assets.catalog.database` hands over, in its transaction."""

from alembic import context

from twig_assets.catalog.database import VERSION_TABLE
from twig_assets.catalog.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
