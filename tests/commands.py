"""Run the installed command as a user does, in a folder of its own, importing this checkout."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = Path(sys.executable).with_name("jconv")


def jconv(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments), cwd=cwd, env=settings(**environment), capture_output=True, text=True, timeout=300
    )


def command(*arguments: str | Path) -> list[str]:
    """Return the command line: the script that `pip install` made, run by this Python."""
    return [sys.executable, str(SCRIPT), *map(str, arguments)]


def settings(**environment: str) -> dict[str, str]:
    """Return the environment, with what a test adds."""
    path = os.pathsep.join(filter(None, [environment.pop("BEFORE", ""), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    cache = {"XDG_CACHE_HOME": "/nonexistent"}  # no machine's own noise floor
    plain = {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "", "COLUMNS": "140"}
    return {**os.environ, **cache, **plain, **environment}
