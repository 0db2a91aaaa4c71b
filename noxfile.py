"""The versions of JAX that jconv is for, each in an environment of its own.

    nox                     every line whose interpreter is found; one that is missing is named as skipped
    nox -s oldest           one of them
    nox -s newest -- -x     with more arguments for pytest

The full suite runs on Python 3.11; on the others what depends on JAX's version, marked `versions`.
"""

import nox

nox.options.error_on_missing_interpreters = False
nox.options.stop_on_first_error = False
OLDEST = ("jax==0.7.2", "jaxlib==0.7.2", "flax==0.11.2")  # what Colab has


@nox.session(python="3.11")
def full(session: nox.Session) -> None:
    """Run everything with the newest JAX for Python 3.11."""
    session.install("-e", ".[test]")
    _run(session)


@nox.session(python="3.13")
def oldest(session: nox.Session) -> None:
    """Run the selection with the oldest JAX and Flax, on the Python that Colab has."""
    session.install("-e", ".[test]", *OLDEST)
    _run(session, "-m", "versions")


@nox.session(python=["3.12", "3.13"])
def newest(session: nox.Session) -> None:
    """Run the selection with the newest JAX of all."""
    session.install("-e", ".[test]")
    _run(session, "-m", "versions")


def _run(session: nox.Session, *selection: str) -> None:
    session.run("python", "-c", "import jax, flax; print('jax', jax.__version__, 'flax', flax.__version__)")
    session.run("pytest", *selection, *session.posargs, env={"JAX_PLATFORMS": "cpu"})
