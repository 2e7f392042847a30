"""The desk: web pages on loopback for the people who decide, over the same functions as the command line.

It has no database of its own: it reads the catalog, and writes decisions there.
"""

from twig_assets.desk.app import desk_app
from twig_assets.desk.settings import DeskError, DeskSettings, read_settings

__all__ = ["DeskError", "DeskSettings", "desk_app", "read_settings"]
