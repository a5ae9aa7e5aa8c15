"""The page that says what runs where is what the rules say."""

from __future__ import annotations

from pathlib import Path

import pytest

from unifw.testing.support import Support, support

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def found() -> Support:
    found = support()
    assert set(found.backends) == {"numpy", "paddle", "mindspore", "megengine"}
    return found


@pytest.mark.parametrize(("language", "page"), [("en", "support.md"), ("zh", "zh/support.md")])
def test_the_page_is_up_to_date(found: Support, language: str, page: str) -> None:
    # If this fails: unifw support --markdown en > docs/support.md, and zh likewise, and look at what changed.
    assert (DOCS / page).read_text(encoding="utf-8") == found.markdown(language)
