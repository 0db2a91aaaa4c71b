"""Print, from the records, how many times faster `auto` is than XLA's own and than PyTorch: by network, and by kind."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import jconv
from jconv.costs import Problem, direct_cost, parse_problem
from jconv.lab import record

HERE = Path(__file__).parent
DENSE = ("dense", "pointwise", "strided")
TRANSFORMS = {"forward": "forward", "forward_backward": "forward + gradients"}
SHORT = 0.2e-3  # seconds
NETWORKS = 16  # under vmap, as configs/speed_vmap.yaml has it
Line = dict[str, Any]


def kind(problem: Problem, transposed: bool) -> str:
    """Name a layer's kind: the first that fits."""
    g = problem.geometry
    kinds = {
        "1-D": len(g.window) == 1,
        "3-D": len(g.window) == 3,
        "transposed": transposed,
        "large": max(g.window) >= 11,
        "depthwise": g.groups > 1 and problem.depth == 1,
        "grouped": g.groups > 1,
        "strided": max(g.stride) > 1,
        "pointwise": problem.taps == 1,
    }
    return next((name for name, fits in kinds.items() if fits), "dense")


def pairs(folder: Path) -> list[Line]:
    """Return a line for each problem of a run: the ratios of auto to direct and to PyTorch, and what else is judged."""
    roof = json.loads((folder / record.ENVIRONMENT).read_text())["roofline"]
    problems: dict[str, dict[str, Line]] = defaultdict(dict)
    for line in jconv.lab.load(folder):
        problems[line["problem"]][line["formulation"]] = line
    found = []
    for name, lines in problems.items():
        auto, direct, torch = (lines.get(contender, {}) for contender in ("auto", "direct", "torch"))
        if not auto.get("ratio"):
            print(f"no ratio: {folder.name} {name}: {auto.get('reason') or direct.get('reason')}", file=sys.stderr)
            continue
        text = name.split("/")[1]
        problem = parse_problem(text)
        other = torch.get("ratio")
        found.append(
            {
                "network": folder.name,
                "layer": auto["layer"],
                "transform": auto["transform"],
                "kind": kind(problem, "transposed" in text),
                "ratio": auto["ratio"],
                "chose": auto.get("chose", ""),
                "torch": auto["ratio"]["median"] / other["median"] if other else None,
                "direct_torch": 1 / other["median"] if other else None,
                "rate": 2 * auto["multiplications"] / auto["seconds"] / roof["matmul_flops_per_s"],
                "copy": auto["array_bytes"] / roof["copy_bytes_per_s"] / auto["seconds"],
                "seconds": auto["seconds"],
                "compile": (auto["lower_s"] + auto["compile_s"]) / (direct["lower_s"] + direct["compile_s"]),
                "memory": auto.get("temp_bytes", 0) - 4 * direct.get("temp_bytes", 0),
                "again": direct.get("again_ratio"),
            }
        )
    return found


def reason(line: Line) -> str:
    """Say what keeps a layer from the rate of large products, by what is measured."""
    if line["seconds"] < SHORT:
        return f"shorter than {1e3 * SHORT} ms: starting the threads shows"
    if line["copy"] > 0.5:
        return "copying its arrays alone takes half of its time"
    return "XLA's own convolution" if line["chose"] in ("direct", "overhang") else "neither short nor bound by memory"


def rates(lines: list[Line]) -> None:
    """Print how near dense layers come to the rate of a large matrix product, in direct operations."""
    own = [line for line in lines if line["kind"] in DENSE and line["transform"] == "forward"]
    for name in DENSE:
        shares = [line["rate"] for line in own if line["kind"] == name]
        if shares:
            print(f"{name}: {np.exp(np.mean(np.log(shares))):.2f} of the product's rate, {len(shares)} layers")
    slow: dict[str, list[Line]] = defaultdict(list)
    for line in own:
        if line["rate"] < 0.6:
            slow[reason(line)].append(line)
    for why, found in sorted(slow.items()):
        print(f"under 0.6, {why}: {len(found)} layers")
        for line in sorted(found, key=lambda line: line["rate"]):
            print(f"  {line['rate']:.2f} {line['network']} {line['layer']} {line['kind']}, {line['chose']}")


def speedup(ratios: Iterable[float]) -> str:
    """Return the geometric mean of how many times faster, from times over the reference's."""
    logs = np.log(list(ratios))
    return f"{np.exp(-logs.mean()):.2f}" if logs.size else ""


def row(name: str, lines: list[Line]) -> str:
    """Return a row of the table."""
    cells = [name.removesuffix("-1").removesuffix("-8")]
    for transform in TRANSFORMS:
        own = [line for line in lines if line["transform"] == transform]
        cells += [str(len(own)), speedup(line["ratio"]["median"] for line in own)]
        cells += [speedup(line[key] for line in own if line[key]) for key in ("torch", "direct_torch")]
    return "| " + " | ".join(cells) + " |"


def networks(folder: Path) -> None:
    """Print what many networks' gradients gain, and would at a large product's rate, or by copying their arrays."""
    roof = json.loads((folder / record.ENVIRONMENT).read_text())["roofline"]
    found = {(line["transform"], line["layer"], line["formulation"]): line for line in jconv.lab.load(folder)}
    print("# Sixteen networks\n\n| | | × lax | at a product's rate | by copying its arrays |\n" + "| --- " * 5 + "|")
    for transform, layer, formulation in found:
        if formulation == "auto":
            auto, direct = (found[transform, layer, name] for name in ("auto", "direct"))
            problem = parse_problem(auto["problem"].split("/")[1])
            cost = direct_cost(problem)
            inputs = NETWORKS if transform == "ensemble" else 1  # vmapped kernels share one
            entries = inputs * cost.input_elements + NETWORKS * (cost.kernel_elements + cost.output_elements)
            multiplications = 2 * NETWORKS * auto["multiplications"]  # forward, and as many by the kernel
            product = 2 * multiplications / roof["matmul_flops_per_s"]
            copy = 2 * entries * problem.itemsize / roof["copy_bytes_per_s"]
            times = (1 / auto["ratio"]["median"], direct["seconds"] / product, direct["seconds"] / copy)
            print(f"| {transform} | {layer} | " + " | ".join(f"{value:.1f}" for value in times) + " |")
    print()


def steps() -> None:
    """Print what training steps gain, and would with free convolutions, or such at a large product's rate."""
    print("# Steps\n\n| | | × lax | free | at a product's rate |\n" + "| --- " * 5 + "|")
    for file in sorted(HERE.glob("steps/*.jsonl")):
        for line in map(json.loads, file.read_text().splitlines()):
            ratios = (line[key]["median"] if key in line else None for key in ("ratio", "free_ratio", "product_ratio"))
            cells = (f"{1 / ratio:.2f}" if ratio else "" for ratio in ratios)
            print(f"| {line['network']} | {line['function']} | " + " | ".join(cells) + " |")


def tables(lines: list[Line]) -> None:
    """Print the table of networks and kinds, and what is slow, long to compile or large."""
    print(
        "| | layers | × lax | × PyTorch | lax × PyTorch | layers, with gradients | × lax | × PyTorch | lax × PyTorch |"
    )
    print("| --- " * 9 + "|")
    for key in ("network", "kind"):
        for name in sorted({line[key] for line in lines}):
            print(row(name, [line for line in lines if line[key] == name]))
    print(row("all", lines))
    grouped = [line for line in lines if line["kind"] in ("depthwise", "grouped", "large")]
    print(row("depthwise, grouped, large", grouped))
    print()
    rates(lines)
    for transform, words in TRANSFORMS.items():
        own = [line for line in lines if line["transform"] == transform]
        again = [abs(np.log(line["again"]["median"])) for line in own if line["again"]]
        half, most = (100 * np.quantile(again, share) for share in (0.5, 0.95))
        compiling = np.median([line["compile"] for line in own])
        print(f"\n{words}: {len(own)} layers; lowering and compiling, median over lax's {compiling:.2f}")
        print(f"A/A: half of the ratios within {half:.1f} %, 95 % within {most:.1f} %")
        print("temporary memory over 4 × lax's + 64 MiB:")
        for line in own:
            if line["memory"] > 2**26:
                print(f"  {line['network']} {line['layer']} {line['chose']} by {line['memory'] / 2**20 - 64:.0f} MiB")
        print("slower than lax (the interval wholly above 1/0.95):")
        for line in sorted(own, key=lambda line: -line["ratio"]["median"]):
            if line["ratio"]["low"] > 1 / 0.95:
                print(
                    f"  {line['network']} {line['layer']} {line['kind']} {line['ratio']['median']:.2f} {line['chose']}"
                )
    print()


def main() -> None:
    """Print the tables of all runs in this folder, or of those named: each machine's, each batch by itself."""
    folders = [Path(word) for word in sys.argv[1:]] or sorted(
        path.parent for path in HERE.rglob("*-[18]/results.jsonl")
    )
    tables_of: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for folder in folders:
        processor = json.loads((folder / record.ENVIRONMENT).read_text())["processor"]
        tables_of[processor, folder.name.rpartition("-")[2]].append(folder)
    for (processor, batch), own in sorted(tables_of.items()):
        print(f"# Batch {batch}, {processor}\n")
        tables([line for folder in own for line in pairs(folder)])
    if not sys.argv[1:]:
        networks(HERE / "vmap")
        steps()


if __name__ == "__main__":
    main()
