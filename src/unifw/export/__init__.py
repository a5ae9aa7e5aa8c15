"""Export: a net and its weights become files for another runtime, checked there or not left behind."""

from __future__ import annotations

from unifw.export.content import Content, Training
from unifw.export.exporting import check_export, export, verify_file
from unifw.export.format import Format, formats
from unifw.export.report import Difference, Exported, ExportReport, Smaller, Verified

__all__ = [
    "Content",
    "Difference",
    "ExportReport",
    "Exported",
    "Format",
    "Smaller",
    "Training",
    "Verified",
    "check_export",
    "export",
    "formats",
    "verify_file",
]
