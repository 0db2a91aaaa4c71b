"""What `formulation="auto"` takes, and why: what was loaded, a measured winner, a written rule, or XLA's own."""

from jconv.selection._choose import Choice, choose, forget, learn, load, lower_again, taken, watch
from jconv.selection._file import Kept, append, made_here, path, read
from jconv.selection._memory import compute, part, too_much

__all__ = [
    "Choice",
    "Kept",
    "append",
    "choose",
    "compute",
    "forget",
    "learn",
    "load",
    "lower_again",
    "made_here",
    "part",
    "path",
    "read",
    "taken",
    "too_much",
    "watch",
]
