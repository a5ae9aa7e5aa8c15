"""Convert an ONNX file by MNN's converter: ``convert_mnn.py MODEL.onnx MODEL.mnn [OPTIONS ...]``."""

from __future__ import annotations

import sys

# Not MNN's command line nor MNN.tools, which install packages by pip and send logs when imported (MNN 3.6).
import _tools


def main(source: str, target: str, *options: str) -> None:
    """Do what the command line says."""
    files = ("-f", "ONNX", "--modelFile", source, "--MNNModel", target)
    # What it returns says nothing: it is true where a file is missing, too (MNN 3.6).
    _tools.mnnconvert(["mnnconvert", *files, "--bizCode", "unifw", *options])


if __name__ == "__main__":
    main(*sys.argv[1:])
