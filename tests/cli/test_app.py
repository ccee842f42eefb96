"""Exit statuses, messages and what is loaded: the same for every verb."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bitwatt.cli.app import app, run

VERBS = sorted(command.name or "" for command in app.registered_commands)


def test_the_verbs_are_these() -> None:
    assert VERBS == [
        "characterize",
        "cosim",
        "cost",
        "doctor",
        "evaluate",
        "export",
        "formats",
        "lower",
        "report",
        "rtl",
        "search",
        "study",
        "tile",
        "train",
    ]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Example:" in shown
    assert f"bitwatt {verb}" in shown
    assert "--json" in shown


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == "bitwatt 0.1.0\n"


def test_the_command_line_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from bitwatt.cli.app import run\n"
        "for arguments in ('--help', 'study --help', 'formats', 'formats --json'): run(arguments.split())\n"
        "heavy = {'torch', 'amaranth', 'optuna', 'scipy', 'matplotlib', 'plotly', 'jinja2'}\n"
        "sys.stderr.write(repr(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["formatz"], "Did you mean 'formats'?"),
        (["study", "--netwrk", "lenet"], "--network"),
        (["study", "--network", "lenet", "--data", "mnist-small", "--workers", "0"], "'--workers'"),
        (["evaluate", "x.bitwatt"], "Missing option '--data'"),
    ],
)
def test_a_misspelt_command_line_is_a_wrong_request(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert message in " ".join(shown.err.split())
    assert shown.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["study", "--network", "lenet"],
            "a study needs --network and --data, or a study file (bitwatt study --help)",
        ),
        (
            ["study", "study.toml", "--network", "lenet"],
            "give a study file, or --network and --data, not both",
        ),
        (
            ["study", "--network", "lenet", "--data", "mnist-small", "--seeds", "0,x"],
            "--seeds must be whole numbers with commas between them, got '0,x'",
        ),
        (
            ["study", "--network", "lenett", "--data", "mnist-small"],
            "unknown network 'lenett'; did you mean 'lenet'? Allowed: lenet, convnet, alex, alex+, alex++, "
            "resnet8, ds-cnn, mobilenetv1-0.25, autoencoder, vgg-small, resnet20",
        ),
        (
            ["study", "--network", "lenet", "--data", "mnist-small", "--preset", "modrn"],
            "study: unknown preset 'modrn'; did you mean 'modern'? Allowed: modern, hashemi2017",
        ),
        (
            ["evaluate", "nowhere.bitwatt", "--data", "mnist-small"],
            "cannot read a program from 'nowhere.bitwatt': No such file or directory",
        ),
        (
            ["report", "nowhere"],
            "no results at nowhere: give the folder that `bitwatt study --out` wrote, or a results.json",
        ),
        (
            [
                "train",
                "--network",
                "lenet",
                "--data",
                "mnist-small",
                "--out",
                "x.safetensors",
                "--device",
                "tpu",
            ],
            "device must be one of auto, cpu, cuda; got 'tpu'",
        ),
    ],
)
def test_a_wrong_request_is_one_line_on_stderr_and_status_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err == f"bitwatt: {message}\n"
    assert shown.out == ""


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["--debug", "report", str(tmp_path)]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_failed_work_is_status_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{")
    assert run(["report", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"bitwatt: {tmp_path / 'results.json'} is not JSON: ")


def test_an_output_folder_that_cannot_be_made(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "run")
    assert run(["study", "--network", "lenet", "--data", "mnist-small", "--out", out]) == 2
    assert capsys.readouterr().err == (
        f"bitwatt: the folder '{out}' cannot be written: Not a directory; choose another one with --out\n"
    )


def test_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["formats"]) == 0
    assert "fixed8" in capsys.readouterr().out
    assert run(["formats", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    fixed8 = next(record for record in listed["formats"] if record["name"] == "fixed8")
    assert (fixed8["bits"], fixed8["smallest"], fixed8["largest"]) == (8, -128, 127)
    assert listed["paper"][5] == {"name": "pow2", "weights": "pow2", "activations": "fixed16"}


def test_doctor_says_what_is_there_and_what_a_missing_thing_would_enable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "make"
    fake.write_text("#!/bin/sh\necho GNU Make 9.87\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    monkeypatch.setattr("shutil.which", lambda name: str(fake) if name == "make" else None)
    assert run(["doctor", "--json"]) == 0
    found = {record["name"]: record for record in json.loads(capsys.readouterr().out)["found"]}
    assert found["torch"]["found"].startswith("2.")
    assert found["make"]["found"] == "9.87"
    assert found["g++"] == {
        "name": "g++",
        "found": None,
        "needed": False,
        "enables": "compiling simulations and exported C",
        "get": "apt install g++",
    }
    assert run(["doctor"]) == 0
    assert "cross-checking power with OpenSTA" in capsys.readouterr().out


def test_doctor_fails_where_something_is_missing_that_is_needed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import PackageNotFoundError, version

    def without_optuna(name: str) -> str:
        if name == "optuna":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("bitwatt.cli.doctor.version", without_optuna)
    assert run(["doctor"]) == 1
    assert "MISSING" in capsys.readouterr().out
