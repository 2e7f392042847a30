"""What is raised when MLflow, its database or its bucket does not take something; it is sent later then."""

from alembic.util import CommandError
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError


def failures() -> tuple[type[Exception], ...]:
    """The errors, for an `except`: those of buckets only where their library is installed."""
    # MLflow makes its tables when it is first opened, and fails where another process does so at the same moment.
    return (MlflowException, SQLAlchemyError, CommandError, OSError, *_of_buckets())


def _of_buckets() -> tuple[type[Exception], ...]:
    try:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return ()
    return (Boto3Error, BotoCoreError, ClientError)
