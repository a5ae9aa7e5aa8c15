"""``unifw angel check``: judge a configuration by the rules of Angel's parser."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from unifw.export import angel

__all__ = ["commands"]

Command = Callable[[str, Any, str], argparse.ArgumentParser]


def commands(command: Command) -> None:
    """Add ``angel``."""
    parser = command(
        "angel", _check, "judge configurations for Tencent's Angel by its parser's rules"
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    about = "say what Angel's parser would refuse or silently drop; no Angel runs"
    check = actions.add_parser("check", help=about, description=about)
    check.add_argument("file", nargs="+", help="an angel.ml.conf")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    found = {file: angel.check(file) for file in options.file}
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        for file, problems in found.items():
            told = "would not train as written" if problems else "Angel's parser takes it"
            print("\n  - ".join([f"{file}: {told}", *problems]))
    return 1 if any(found.values()) else 0
