"""What `formulation="auto"` takes, and why: a written rule per platform, else XLA's own."""

from jconv.selection._choose import Choice, choose

__all__ = ["Choice", "choose"]
