"""What `formulation="auto"` takes, and why: what was loaded, a measured winner, a written rule, or XLA's own."""

from jconv.selection._choose import Choice, choose, compute_again, forget, learn, load, taken, too_much, watch
from jconv.selection._file import Kept, append, kept, path, read

__all__ = [
    "Choice",
    "Kept",
    "append",
    "choose",
    "compute_again",
    "forget",
    "kept",
    "learn",
    "load",
    "path",
    "read",
    "taken",
    "too_much",
    "watch",
]
