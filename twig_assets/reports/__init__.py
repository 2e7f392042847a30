"""The compliance report: what was made, what was caught and what was released, on one page that can be mailed."""

from twig_assets.reports.collect import collect
from twig_assets.reports.data import Recheck, ReportData
from twig_assets.reports.history import dated_path, with_history
from twig_assets.reports.render import render

__all__ = ["Recheck", "ReportData", "collect", "dated_path", "render", "with_history"]
