"""For Tencent's Angel: configurations, data and scripts to train there. No Angel runs here.

``check`` judges an ``angel.ml.conf``; ``Job`` says what ``model.export(…, format="angel-json")`` needs to know
besides the model; ``write_data`` and ``submit`` give the rest of a job. ``script`` writes the TorchScript file
that PyTorch on Angel trains.
"""

from __future__ import annotations

from unifw.export.angel.checking import check
from unifw.export.angel.data import write_data
from unifw.export.angel.job import Job, submit
from unifw.export.angel.script import Script, script

__all__ = ["Job", "Script", "check", "script", "submit", "write_data"]
