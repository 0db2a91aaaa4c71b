"""What the TPU's compiler counts, for each kind of layer: the tables of README.md, printed."""

import statistics
from collections import defaultdict
from pathlib import Path

from jconv.costs import parse_problem
from jconv.lab import record

HERE = Path(__file__).parent
OTHERS = ("shifts", "patches", "auto")


def kind(line: dict) -> str:
    """Return what kind of layer a record is of."""
    problem = parse_problem(line["problem"].split("/")[1])
    g = problem.geometry
    if len(g.window) == 3:
        return "3-D"
    if max(g.input_dilation) > 1:
        return "transposed"
    if len(g.window) == 1:
        return "1-D"
    if g.groups > 1:
        depthwise = g.groups == problem.in_channels
        return ("large depthwise" if problem.taps > 25 else "depthwise") if depthwise else "grouped"
    if problem.taps == 1:
        return "pointwise"
    return "strided" if max(g.stride) > 1 else "dense"


def mean(values: list[float]) -> str:
    """Write the geometric mean."""
    return f"{statistics.geometric_mean(values):.2f}" if values else "–"


def main() -> None:
    """Print a table for each target and transform."""
    found: dict = defaultdict(lambda: defaultdict(dict))
    statuses: dict = defaultdict(lambda: defaultdict(int))
    for folder in sorted(path.parent for path in HERE.glob("*/results.jsonl")):
        for line in record.read(folder):
            key = line["target"], line["transform"], line["dtype"]
            statuses[key][line["formulation"], line["status"]] += 1
            if line["status"] == "ok":
                found[key][line["problem"]][line["formulation"]] = line
    for (target, transform, dtype), problems in sorted(found.items()):
        print(f"## {target}, {transform}, {dtype}, batch 8\n")
        print("Bytes moved, as the compiler counts them, over direct's; geometric means.\n")
        print("| layers | | " + " | ".join(f"{name} bytes" for name in OTHERS) + " | layers where it moves fewer |")
        print("| --- | --- | " + " | ".join("---" for _ in OTHERS) + " | --- |")
        kinds: dict = defaultdict(list)
        for lines in problems.values():
            if "direct" in lines:
                kinds[kind(lines["direct"])].append(lines)
        for name, rows in sorted(kinds.items()):
            shares = {
                other: [
                    row[other]["compiler_bytes"] / row["direct"]["compiler_bytes"]
                    for row in rows
                    if other in row and row[other].get("compiler_bytes") and row["direct"].get("compiler_bytes")
                ]
                for other in OTHERS
            }
            fewer = ", ".join(
                f"{other} {sum(share < 0.95 for share in values)}" for other, values in shares.items() if values
            )
            print(f"| {name} | {len(rows)} | " + " | ".join(mean(shares[other]) for other in OTHERS) + f" | {fewer} |")
        said = ", ".join(
            f"{name} {status} {count}" for (name, status), count in sorted(statuses[target, transform, dtype].items())
        )
        print(f"\nCases: {said}.\n")


if __name__ == "__main__":
    main()
