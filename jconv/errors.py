"""What can go wrong, as a tree.

```
ValueError
└── JconvError
    ├── GeometryError      the arguments describe no convolution
    ├── UnsupportedError   the convolution exists; this formulation cannot compute it
    └── ConfigError        an experiment's configuration is wrong
```

Every message reads `<function>: <argument> must <rule>; got <value>. <remedy>`.
"""

import difflib
from collections.abc import Iterable


class JconvError(ValueError):
    """The root of every error jconv raises for a caller's mistake."""


class GeometryError(JconvError):
    """The shapes and arguments describe no convolution."""


class UnsupportedError(JconvError):
    """The convolution exists, but the chosen formulation cannot compute it."""


class ConfigError(JconvError):
    """A configuration of the laboratory is wrong."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean '…'?` for the nearest known word, or nothing."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
