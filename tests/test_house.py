"""The house rules that a test can hold: one table, honest exports, a light import, short files."""

import importlib
import inspect
import pathlib
import subprocess
import sys

import pytest

import jconv
from jconv.formulations import FORMULATIONS, Formulation

pytestmark = pytest.mark.versions

ROOT = pathlib.Path(jconv.__file__).parent


def test_every_formulation_file_is_in_the_table():
    files = {path.stem for path in (ROOT / "formulations").glob("[!_]*.py")}
    assert files == set(FORMULATIONS)
    for name in files:
        module = importlib.import_module(f"jconv.formulations.{name}")
        assert isinstance(getattr(module, name.upper()), Formulation)
        assert getattr(module, name.upper()) is FORMULATIONS[name]


def test_exports_resolve_and_are_documented():
    assert set(jconv.__all__) <= set(dir(jconv))
    for name in jconv.__all__:
        value = getattr(jconv, name)
        if inspect.isfunction(value):
            assert value.__doc__, name
            assert "Example" in value.__doc__, name


def test_import_is_light():
    program = (
        "import jconv, sys; print([m for m in ('jax', 'flax', 'yaml', 'matplotlib', 'pydantic') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
    program = "import jconv, sys; jconv.conv; print([m for m in ('flax', 'yaml', 'matplotlib') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_no_long_files():
    for path in ROOT.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 350, path


def test_sizes_need_no_jax():
    program = (
        "import jconv, sys; jconv.conv_geometry((8, 8, 3), (3, 3, 3, 4)); jconv.Problem; jconv.GeometryError; "
        "jconv.receptive_field; print('jax' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"
