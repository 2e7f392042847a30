"""The compliance report: what was made, what was caught and what was released, on one page that can be mailed."""

from twig_assets.reports.collect import collect
from twig_assets.reports.data import Recheck, ReportData
from twig_assets.reports.dated import WrittenReport, report_path, write_dated_report
from twig_assets.reports.history import dated_path, with_history
from twig_assets.reports.recheck import recheck_published
from twig_assets.reports.render import render

__all__ = [
    "Recheck",
    "ReportData",
    "WrittenReport",
    "collect",
    "dated_path",
    "recheck_published",
    "render",
    "report_path",
    "with_history",
    "write_dated_report",
]
