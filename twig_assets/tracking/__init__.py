"""Figures and pictures on their way to MLflow: at once, or later when the server does not answer."""

from twig_assets.tracking.record import Record
from twig_assets.tracking.send import Sender, TrackingError
from twig_assets.tracking.spool import Spool, SpoolError

__all__ = ["Record", "Sender", "Spool", "SpoolError", "TrackingError"]
