"""What the records of programs compiled ahead of time amount to, in words for the terminal and the report."""

from collections.abc import Mapping, Sequence
from typing import Any


def verdict(records: Sequence[Mapping[str, Any]]) -> str:
    """Say how many programs compiled, and that none ran.

    Args:
        records: Of a run of kind aot.

    Returns:
        Two sentences.
    """
    targets = ", ".join(dict.fromkeys(line["target"] for line in records))
    statuses = [line["status"] for line in records if line["status"] != "unsupported"]
    return (
        f"{statuses.count('ok')} of {len(statuses)} programs compiled for TPU {targets}; nothing ran. Bytes, memory "
        "and estimates are the compiler's own."
    )


def mebibytes(line: Mapping[str, Any], count: str) -> str:
    """Write one of the compiler's counts of bytes in MiB.

    Example:
        >>> mebibytes({"temp_bytes": 3 * 2**19}, "temp_bytes"), mebibytes({}, "temp_bytes")
        ('1.5', '–')
    """
    return f"{line[count] / 2**20:.3g}" if count in line else "–"


def estimate(line: Mapping[str, Any]) -> str:
    """Write the compiler's estimate of the time.

    Example:
        >>> estimate({"compiler_estimate_s": 2e-5})
        '20 µs'
    """
    return f"{line['compiler_estimate_s'] * 1e6:.3g} µs" if "compiler_estimate_s" in line else "–"
