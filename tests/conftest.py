"""Every test runs with strict types and ranks, on eight forced host devices, from fixed seeds."""

import os

# Before JAX is imported: it reads the flags once. Half of the tests' time is compilation, and unoptimised code
# computes the same integers; what users run, optimised, is checked against float64 by the commands' tests.
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=8",
        "--xla_backend_optimization_level=0",
    ]
).strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
import pytest
from hypothesis import settings

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# No cache of compiled programs: a run depends on nothing that an earlier one left.
jax.config.update("jax_enable_compilation_cache", False)

settings.register_profile("jconv", deadline=None, derandomize=True, database=None)
settings.load_profile("jconv")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the refusals that tests recorded: what a worker of xdist prints is lost."""
    passed = terminalreporter.stats.get("passed", [])
    refusals = [line for report in passed for key, line in report.user_properties if key == "refusal"]
    if refusals:
        terminalreporter.section("refusals")
        terminalreporter.write("\n".join([*dict.fromkeys(refusals), ""]))
