"""The released images of a campaign as a folder to hand out, with what they were checked against, and its check.

An export is plain files: whoever gets it needs neither the catalog nor this program to read it, and only this program,
or `sha256sum --check SHA256SUMS`, to see that nothing in it was changed.
"""

from twig_assets.export.verify import Problem, VerifyError, verify_export
from twig_assets.export.write import Exported, ExportError, write_export

__all__ = ["ExportError", "Exported", "Problem", "VerifyError", "verify_export", "write_export"]
