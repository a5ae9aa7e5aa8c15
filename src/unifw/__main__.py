"""``python -m unifw``: the same as the command ``unifw``."""

from __future__ import annotations

import sys

from unifw.cli import main

sys.exit(main())
