"""`twig audit`: a folder of images against a folder of protected works, without a campaign or Dagster."""

from twig_assets.folder_audit.calibration import calibrate_folder
from twig_assets.folder_audit.run import FolderAuditError, Outcome, audit_folder

__all__ = ["Outcome", "FolderAuditError", "audit_folder", "calibrate_folder"]
