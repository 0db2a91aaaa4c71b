"""The kinds of experiment, one file each; what they share is the bench, the runner, the records and the report."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from jconv.lab.bench import Prepared
from jconv.lab.kinds import agreement, aot, arithmetic, gallery, photograph, timing, training
from jconv.lab.plan import Problem


class Kind(NamedTuple):
    """One kind of experiment.

    Args:
        open_bench: Draws what the contenders of a problem share, from the problem, the folder that paths are
            relative to, and the run's directory.
        prepare: Runs one contender and returns what its record says, and what to time.
    """

    open_bench: Callable[[Problem, Path, Path], Any]
    prepare: Callable[[Any, str], Prepared]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "photograph": Kind(photograph.open_bench, photograph.prepare),
        "agreement": Kind(agreement.open_bench, agreement.prepare),
        "timing": Kind(agreement.open_bench, timing.prepare),
        "scaling": Kind(agreement.open_bench, timing.prepare),
        "training": Kind(training.open_bench, training.prepare),
        "arithmetic": Kind(arithmetic.open_bench, arithmetic.prepare),
        "aot": Kind(aot.open_bench, aot.prepare),
        "gallery": Kind(gallery.open_bench, gallery.prepare),
    }
)
