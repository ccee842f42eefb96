"""`import bitwatt` and the formats are light; the public names are all there, and are the things they say."""

import subprocess
import sys

import pytest

import bitwatt

HEAVY = ("torch", "amaranth", "optuna", "scipy", "matplotlib", "plotly", "pyosys", "onnx")


@pytest.mark.parametrize(
    "statement",
    [
        "import bitwatt",
        "import bitwatt.formats",
        "import bitwatt; bitwatt.Precision; bitwatt.formats; dir(bitwatt)",
        "import bitwatt.study; bitwatt.study.StudyPlan; bitwatt.study.read_study_file",
    ],
)
def test_light(statement):
    """In a process of its own: this one has loaded torch long ago."""
    check = f"{statement}; import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("name", bitwatt.__all__)
def test_public_name(name):
    value = getattr(bitwatt, name)
    assert value is getattr(bitwatt, name)
    if name in ("datasets", "export", "formats", "networks"):
        assert value is sys.modules[f"bitwatt.{name}"]
    else:
        assert callable(value)
        assert value.__doc__


def test_cost_stays_a_function_whatever_is_imported():
    """A package `bitwatt.cost` would take the function's place as soon as it is imported."""
    check = (
        "import importlib, pkgutil, bitwatt\n"
        "for module in pkgutil.iter_modules(bitwatt.__path__):\n"
        "    if module.name != '__main__': importlib.import_module(f'bitwatt.{module.name}')\n"
        "print([name for name in bitwatt.__all__ if type(getattr(bitwatt, name)).__name__ == 'module'])"
    )
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['datasets', 'export', 'formats', 'networks']"


def test_all_is_what_is_there():
    assert dir(bitwatt) == sorted([*bitwatt.__all__, "__version__"])


def test_unknown_name():
    with pytest.raises(AttributeError) as error:
        _ = bitwatt.quantise
    assert str(error.value) == "module 'bitwatt' has no attribute 'quantise'"
