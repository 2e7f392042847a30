"""The compliance report: what was made, what was caught, decided and released; one page, with pages of pictures."""

from twig_assets.reports.as_json import counts_of
from twig_assets.reports.collect import collect
from twig_assets.reports.data import Recheck, Summary
from twig_assets.reports.dated import WrittenReport, read_report, report_path, write_dated_report, write_report
from twig_assets.reports.lines import ReportData
from twig_assets.reports.pictures import Thumbnails
from twig_assets.reports.recheck import recheck_published
from twig_assets.reports.render import render

__all__ = [
    "Recheck",
    "ReportData",
    "Summary",
    "Thumbnails",
    "WrittenReport",
    "collect",
    "counts_of",
    "read_report",
    "recheck_published",
    "render",
    "report_path",
    "write_dated_report",
    "write_report",
]
