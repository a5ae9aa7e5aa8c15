"""The page that says which nets can be shipped in which format is what was verified here and now."""

from __future__ import annotations

from pathlib import Path

import pytest

from unifw.export import formats
from unifw.testing.deployed import Deployed, deployed

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def found() -> Deployed:
    return deployed(tuple(name for name, form in formats().items() if not form.unrun))


@pytest.mark.parametrize(("language", "page"), [("en", "formats.md"), ("zh", "zh/formats.md")])
def test_the_page_is_up_to_date(found: Deployed, language: str, page: str) -> None:
    # If this fails: unifw formats --markdown en > docs/formats.md, and zh likewise, and look at what changed.
    assert (DOCS / page).read_text(encoding="utf-8") == found.markdown(language)
