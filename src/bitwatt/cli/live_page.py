"""`report.html` while a study runs: written again as points end; a browser loads it again by itself."""

from __future__ import annotations

from pathlib import Path

from bitwatt.study.results import Results
from bitwatt.study.spaced import Spaced

REFRESH_S = 10
"""How often a browser loads the page of a study that runs."""


class LivePage:
    """Given a study's results so far, shows them in `page`: whole or not at all, never by half."""

    def __init__(self, page: Path) -> None:
        self._page = page
        self._draw = Spaced(self._write)  # of a thousand points it takes a while

    def __call__(self, results: Results) -> None:
        """Show the results, unless the page was drawn a moment ago; nothing before the first point."""
        if results.points:
            self._draw(results)

    def _write(self, results: Results) -> None:
        from bitwatt.report import render_page
        from bitwatt.report.atomic import write_atomic

        refresh = f'<head>\n<meta http-equiv="refresh" content="{REFRESH_S}">'
        page = render_page(results.as_json()).replace("<head>", refresh, 1)
        write_atomic(self._page, page.encode())
