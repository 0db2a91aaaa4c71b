"""What `formulation="auto"` takes, and why: what was loaded, a measured winner, a written rule, or XLA's own."""

from jconv.selection._choose import Choice, choose, compute_again, forget, learn, load, taken, too_much, watch
from jconv.selection._file import Kept, append, made_here, path, read

__all__ = [
    "Choice",
    "Kept",
    "append",
    "choose",
    "compute_again",
    "forget",
    "learn",
    "load",
    "made_here",
    "path",
    "read",
    "taken",
    "too_much",
    "watch",
]
