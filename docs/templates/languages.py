"""A hook of MkDocs: what its plugins do not know of two languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority


@event_priority(100)  # before the plugins read it
def on_config(config: Any) -> None:
    """Tell the reference the language in which to write "parameters" and "raises"."""
    config.theme["language"] = config.plugins["i18n"].current_language or "en"


@event_priority(-200)  # after the plugins that write the index of all pages
def on_post_build(config: Any) -> None:
    """Part the search by language: English pages stay in ``search``, Chinese ones go into ``zh/search``."""
    site = Path(config.site_dir)
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    pages: dict[str, list[Any]] = {"": [], "zh/": []}
    for page in index["docs"]:
        language = "zh/" if page["location"].startswith("zh/") else ""
        pages[language].append(page | {"location": page["location"].removeprefix(language)})
    for language, docs in pages.items():
        folder = site / language / "search"
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(index | {"docs": docs}, ensure_ascii=False)
        (folder / "search_index.json").write_text(text, encoding="utf-8")
        # A page that was opened from a file may load a script, but no JSON.
        (folder / "search_index.js").write_text(f"var __index = {text}", encoding="utf-8")
