"""What the documentation shows works: its Python runs, its verbs exist, its links lead somewhere."""

import re
from pathlib import Path

import pytest
import torch

from bitwatt.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_python_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)  # the tests share the cores
    exec(compile(block, "documentation", "exec"), {})


def test_there_is_python_to_run() -> None:
    assert BLOCKS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_verbs_exist(page: Path) -> None:
    verbs = {command.name for command in app.registered_commands}
    named = set(re.findall(r"(?:^|[`\n;] ?)bitwatt ([a-z]+)", page.read_text()))
    assert named <= verbs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
