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


def test_readme_yaml_is_right():
    import re

    from jconv.lab import loading, plan
    from jconv.lab.document import parse

    (text,) = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    problems = plan.plan(loading.validate(parse(text)))
    assert len(problems) == 8
    assert sum(len(problem.contenders) for problem in problems) == 40


def test_readme_names_every_kind_and_study():
    from jconv.lab.config import KINDS

    text = README.read_text()
    for kind in KINDS:
        assert f"| `{kind}` |" in text
    studies = {path.parent.name for path in README.parent.glob("experiments/*/README.md")}
    assert studies == {
        line.partition("](experiments/")[2].rstrip(") |") for line in text.splitlines() if "](experiments/" in line
    }
