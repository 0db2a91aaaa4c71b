"""Every line of Python that the README shows runs and prints what it says."""

import doctest
import pathlib

import jax

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_readme():
    with jax.numpy_dtype_promotion("standard"):  # as a newcomer has it
        result = doctest.testfile(str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 15
    assert result.failed == 0


def test_readme_names_every_formulation():
    from jconv.formulations import FORMULATIONS

    text = README.read_text()
    for formulation in FORMULATIONS.values():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{formulation.name}` |")]
        assert ("spreads" in row) == (not formulation.local), row
