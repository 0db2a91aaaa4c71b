"""The laboratory: experiments described in YAML, run from the command line or from Python.

```python
results = jconv.lab.run("quickstart")      # or a path, or a dict; then "key=value" texts, out=, resume=
jconv.lab.load("runs/…").to_pandas()
```
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jconv.lab.experiment import Results as Results
    from jconv.lab.experiment import load as load
    from jconv.lab.experiment import run as run

__all__ = ["Results", "load", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'jconv.lab' has no attribute {name!r}")
    from jconv.lab import experiment

    return getattr(experiment, name)
