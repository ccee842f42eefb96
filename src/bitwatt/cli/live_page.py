"""`report.html` while a study runs: written again as points end; a browser loads it again by itself."""

from __future__ import annotations

import time
from pathlib import Path

from bitwatt.study.results import Results

REFRESH_S = 10
"""How often a browser loads the page of a study that runs."""

_SHARE = 0.05
"""Of the study's time, at most, goes into its page: of a thousand points it takes a while to draw."""


class LivePage:
    """Given a study's results so far, shows them in `page`: whole or not at all, never by half."""

    def __init__(self, page: Path) -> None:
        self._page = page
        self._not_before = 0.0

    def __call__(self, results: Results) -> None:
        """Show the results, unless the page was drawn a moment ago; nothing before the first point."""
        begun = time.monotonic()
        if not results.points or begun < self._not_before:
            return
        from bitwatt.report import render_page
        from bitwatt.report.atomic import write_atomic

        refresh = f'<head>\n<meta http-equiv="refresh" content="{REFRESH_S}">'
        page = render_page(results.as_json()).replace("<head>", refresh, 1)
        write_atomic(self._page, page.encode())
        took = time.monotonic() - begun
        self._not_before = begun + took / _SHARE
