"""The compliance report: what was made, what was caught and what was released, on one page that can be mailed."""

from twig_assets.reports.collect import collect
from twig_assets.reports.data import ReportData
from twig_assets.reports.render import render

__all__ = ["ReportData", "collect", "render"]
