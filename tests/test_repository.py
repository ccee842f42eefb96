"""Lock files, versions, and nothing of one machine in what is committed."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import bitwatt

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def locked(name: str) -> dict[str, str]:
    """Versions by package, its name in lower case with hyphens."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    pairs = [re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9A-Za-z.]+)", line) for line in lines]
    assert None not in pairs, f"{name} holds more than exact versions: {lines[pairs.index(None)]}"
    return {re.sub(r"[._]", "-", pair[1]).lower(): pair[2] for pair in pairs if pair}


def tracked() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("git is missing, or this is no clone: cannot tell which files are tracked")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_exact_versions(name):
    versions = locked(name)
    assert versions["torch"] == "2.13.0"
    assert not versions.keys() & {"bitwatt", "pip", "setuptools", "wheel"}


def test_locks_agree():
    running, testing = map(locked, LOCKS)
    assert running.items() <= testing.items()


def test_locks_hold_all_that_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def declared(requirements: list[str]) -> set[str]:
        names = {re.match(r"[A-Za-z0-9-]+", line)[0].lower() for line in requirements}
        return names - {"bitwatt"}

    extras = project["optional-dependencies"]
    assert set(extras) == {"synthesis", "postgres", "ray", "onnx", "dev"}
    assert declared(project["dependencies"]) <= locked("requirements.lock").keys()
    for extra in ("dev", "synthesis", "onnx", "postgres"):
        assert declared(extras[extra]) <= locked("requirements-dev.lock").keys()


def test_version_is_in_the_changelog():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.fullmatch(r"\d+\.\d+\.\d+", bitwatt.__version__)
    assert "## [Unreleased]" in changelog
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    # Until the first release the changelog says what it will be; afterwards the newest entry is the version.
    assert bitwatt.__version__ == released[0] if released else f"Towards {bitwatt.__version__}" in changelog


REGISTRY = re.compile(
    r"https?://[\w.-]*(?:pypi|pythonhosted|npmjs|deb\.debian|artifactory|download\.pytorch)[\w.-]*"
)
ONE_MACHINE = re.compile(r"(?<![\w./])/(?:home|root|Users|work|opt/wheels)/\w")


def test_patterns_find_what_they_are_for():
    assert REGISTRY.search("--index-url https://" + "pypi.example/simple")
    assert ONE_MACHINE.search("see /" + "home/me/data")
    assert not ONE_MACHINE.search("~/.cache/bitwatt and results/work/x")


@pytest.mark.parametrize("pattern", [REGISTRY, ONE_MACHINE], ids=["registry hosts", "paths of one machine"])
def test_no_tracked_file_names(pattern):
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:  # data
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


def test_readme_names_both_commands():
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme


def test_ci_can_be_run():
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111 == 0o111
