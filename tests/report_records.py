"""Runs written by hand for the tests of the report: a few records of every kind, in a folder as a run leaves it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jconv.lab import images, record

Line = dict[str, Any]
HOSTILE = "<script>alert(1)</script>"


def line(layer: str, formulation: str, transform: str = "forward", **more: Any) -> Line:
    """Return a record that is right and was compared, compiled and timed; None takes a field away."""
    dtype = more.get("dtype", "float32")
    problem = f"{layer}/n1_i8x8c4_k3x3o2_s1x1_p1:1x1:1_d1x1_g1_{dtype}_zeros/{transform}"
    made: Line = {
        "case": f"{problem}/{formulation}",
        "kind": "timing",
        "problem": problem,
        "layer": layer,
        "dtype": dtype,
        "transform": transform,
        "formulation": formulation,
        "status": "ok",
        "reason": "",
        "multiplications": 4608,
        "array_bytes": 2000,
        "error": 1e-7,
        "tolerance": 1e-6,
        "max_ulps": 1.5,
        "rms_ulps": 0.25,
        "relative": 1e-7,
        "checked_against": "float64 oracle",
        "lower_s": 0.01,
        "compile_s": 0.02,
        "first_s": 0.001,
        "temp_bytes": 4096,
        "peak_bytes": 2048,
        "samples_s": [0.001] * 8,
        "stopped": "rounds",
        "seconds": 0.001,
    }
    if formulation == "direct":
        made["again_ratio"] = ratio(1.01)
    else:
        made |= {"ratio": ratio(1.0), "verdict": "SAME"}
    return {key: value for key, value in (made | more).items() if value is not None}


def ratio(median: float, low: float | None = None, high: float | None = None) -> Line:
    low, high = 0.98 * median if low is None else low, 1.02 * median if high is None else high
    return {"median": median, "low": low, "high": high, "pairs": 8}


def status(layer: str, formulation: str, status: str, reason: str, **more: Any) -> Line:
    """Return a record that has no figures."""
    made = line(layer, formulation, **more)
    kept = ("case", "kind", "problem", "layer", "dtype", "transform", "formulation")
    return {key: made[key] for key in kept} | {"status": status, "reason": reason}


def timing() -> list[Line]:
    """Return layers with winners and losers, a peer, two transforms, two dtypes, everything that goes wrong."""
    fast = {"seconds": 0.0002, "ratio": ratio(0.2, 0.18, 0.25), "verdict": "FASTER"}
    slow = {"seconds": 0.005, "ratio": ratio(5.0, 4.0, 6.0), "verdict": "SLOWER", "temp_bytes": 80_000}
    unsure = {"seconds": 0.0009, "ratio": ratio(0.9, 0.7, 1.2), "verdict": "UNSURE"}
    lines = []
    for transform in ("forward", "gradients"):
        for dtype in ("float32", "bfloat16"):
            about: Line = {"transform": transform, "dtype": dtype}
            lines += [
                line("stem", "direct", **about),
                line("stem", "fft", **fast, **about),
                line("stem", "toeplitz", **slow, **about),
                line("stem", "auto", chose="fft", chose_because="large window", **unsure, **about),
                line("stem", "torch", **unsure, **about),
                line("deep", "direct", seconds=0.002, again_ratio=ratio(1.2, 1.15, 1.3), **about),
                line("deep", "fft", checked_against="direct", repeatable=False, **about),
                status("deep", "toeplitz", "unsupported", "the matrix takes 700 MiB, above 256 MiB", **about),
                line("deep", "auto", chose="direct", chose_because="the default", **about),
                status("deep", "torch", "unsupported", "torch is not installed", **about),
            ]
    return lines


def wrong() -> list[Line]:
    """Return a case of every status that is wrong, one of them with HTML for a name and a reason."""
    off = {"error": None, "max_ulps": None, "rms_ulps": None, "relative": None}
    mismatch = line(HOSTILE, "fft", status="mismatch", reason="<b>bold</b> is off by inf") | off
    return [
        line(HOSTILE, "direct"),
        mismatch | {"nonfinite": list(off)},
        status(HOSTILE, "shifts", "failed", "ValueError: it's broken"),
        status(HOSTILE, "einsum", "timeout", "it took longer than 300 s"),
        status(HOSTILE, "patches", "out_of_memory", "more than 8192 MiB"),
        line(HOSTILE, "sliding", status="mistrusted", reason="the true output is mostly zeros"),
    ]


def photograph() -> list[Line]:
    return [line("sobel", name, kind="photograph", picture=f"pictures/sobel.{name}.png") for name in ("direct", "fft")]


def scaling(exponents: Line | None = None) -> list[Line]:
    """Return times that are powers of the image's size: direct as its square, fft as itself, crossing at 32."""
    lines = []
    for name, power in (exponents or {"direct": 2, "fft": 1}).items():
        for value in (8, 16, 32, 64, 128):
            seconds = 1e-4 * (value / 32) ** power
            about: Line = {"axis": "image", "value": value, "samples_s": [seconds] * 8, "seconds": seconds}
            if name != "direct":
                relative = (value / 32) ** (power - 2)
                word = "SLOWER" if relative > 1.05 else "FASTER" if relative < 0.95 else "SAME"
                about |= {"ratio": ratio(relative), "verdict": word}
            lines.append(line(f"dense-image-{value}", name, kind="scaling", **about))
    return lines


def growing() -> list[Line]:
    """Return errors that grow as the root of the channels."""
    lines = []
    for channels in (1, 4, 16, 64):
        for name in ("direct", "fft"):
            found = line(f"dense@in_channels={channels}", name, kind="agreement", repeatable=True)
            renamed = {key: found[key].replace("c4_", f"c{channels}_") for key in ("case", "problem")}
            grown = {"rms_ulps": 0.2 * channels**0.5, "variant": {"in_channels": channels}}
            timed = ("samples_s", "seconds", "stopped", "ratio", "verdict", "again_ratio")
            lines.append({key: value for key, value in (found | renamed | grown).items() if key not in timed})
    return lines


def training() -> list[Line]:
    """Return two formulations, three seeds and five epochs; one training stops when its loss is not finite."""
    lines = []
    for seed in range(3):
        for name, speed in (("direct", 1000.0), ("shifts", 2000.0), ("fft", 500.0)):
            problem = f"lenet/lenet_digits_s{seed}/training"
            loss: list[float | None] = [2.0 / (epoch + 1) + 0.01 * seed for epoch in range(5)]
            accuracy: list[float | None] = [0.9 + 0.015 * epoch + 0.001 * seed for epoch in range(5)]
            drift = [0.0 if name == "direct" else 1e-6 * 10.0**epoch for epoch in range(5)]
            made: Line = {
                "case": f"{problem}/{name}",
                "kind": "training",
                "problem": problem,
                "layer": "lenet",
                "dtype": "float32",
                "transform": "training",
                "formulation": name,
                "status": "ok",
                "reason": "",
                "model": "lenet",
                "data": "digits",
                "seed": seed,
                "epochs": 5,
                "loss": loss,
                "test_accuracy": accuracy,
                "accuracy": accuracy[-1],
                "examples_per_s": speed + seed,
                "compile_s": 3.0,
                "parameters": 61706,
                "drift": drift,
            }
            if name == "fft" and seed == 2:
                made |= {
                    "status": "failed",
                    "reason": "the loss became nan",
                    "loss": [*loss[:2], None],
                    "accuracy": None,
                }
                made |= {"test_accuracy": accuracy[:2], "drift": drift[:2]}
            lines.append({key: value for key, value in made.items() if value is not None})
    return lines


def arithmetic() -> list[Line]:
    """Return two convolutions and two transposed ones, of which the first overlaps evenly and the second does not."""
    facts = [
        ("01-conv1", "k7_s2_p3_d1_g1", 64, 32, 3, 16, {"size": [7, 7], "jump": [2, 2], "start": [-3, -3]}),
        ("02-conv2", "k3_s1_p1_d1_g1", 32, 32, 16, 16, {"size": [11, 11], "jump": [2, 2], "start": [-5, -5]}),
        ("03-even", "k4_s2_p1_d1_g1_transposed", 32, 64, 16, 8, [1, 2, 4]),
        ("04-uneven", "k3_s2_p0_d1_g1_transposed", 64, 129, 8, 8, [1, 2, 4]),
    ]
    first = {"03-even": [1, *[2] * 63], "04-uneven": [1, 1, *[2, 1] * 31]}
    lines = []
    for layer, words, entering, leaving, ins, outs, more in facts:
        made: Line = {
            "case": f"{layer}/{words}/geometry/geometry",
            "kind": "arithmetic",
            "problem": f"{layer}/{words}/geometry",
            "layer": layer,
            "dtype": "float32",
            "transform": "geometry",
            "formulation": "geometry",
            "status": "ok",
            "reason": "",
            "input_size": [entering] * 2,
            "output_size": [leaving] * 2,
            "in_channels": ins,
            "out_channels": outs,
            "parameters": 9 * ins * outs,
            "multiplications": 9 * ins * outs * leaving**2,
        }
        if isinstance(more, dict):
            made["receptive_field"] = {**more, "centre": [0.0, 0.0]}
        else:
            made |= {"overlap": more, "overlap_first_row": first[layer]}
        lines.append(made)
    return lines


def ahead() -> list[Line]:
    """Return what a compiler says: two sizes of one layer, a figure that is missing, a failure, a refusal."""
    facts = ("error", "tolerance", "max_ulps", "rms_ulps", "relative", "checked_against", "lower_s", "compile_s")
    facts += ("first_s", "peak_bytes", "samples_s", "stopped", "seconds", "again_ratio", "ratio", "verdict")
    about: Line = {"target": "v5e", "dtype": "bfloat16", "temp_bytes": 0, **dict.fromkeys(facts)}
    problem = "conv1/n8_i8x8c4_k3x3o2_s1x1_p1:1x1:1_d1x1_g1_bfloat16_zeros/forward"

    def large(formulation: str, **more: Any) -> Line:
        return line("conv1", formulation, **about, problem=problem, case=f"{problem}/{formulation}") | more

    return [
        line("conv1", "direct", compiler_bytes=4 * 2.0**20, compiler_estimate_s=2e-6, **about),
        line("conv1", "shifts", compiler_bytes=2 * 2.0**20, **about),
        large("direct", compiler_bytes=32 * 2.0**20),
        large("shifts"),
        large("patches", status="out_of_memory", reason="exceeds HBM"),
        large("onednn", status="unsupported", reason="onednn: got platform tpu"),
    ]


KINDS = {
    "timing": timing,
    "wrong": wrong,
    "photograph": photograph,
    "scaling": scaling,
    "growing": growing,
    "training": training,
    "arithmetic": arithmetic,
    "ahead": ahead,
}


def folder_of(path: Path, lines: Iterable[Line], **environment: Any) -> Path:
    """Write a run's directory."""
    (path / record.PICTURES).mkdir(parents=True)
    _ = (path / record.RESULTS).write_text("".join(json.dumps(one) + "\n" for one in lines))
    facts = {
        "started": "2026-11-24T08:26:15+0000",
        "processor": "a processor",
        "cores": 2,
        "memory_bytes": 2**34,
        "load": 0.5,
        "jconv": "0.1.0",
        "jax": "0.10.2",
        "python": "3.11.7",
        "platform": "cpu",
        "device": "cpu",
        "devices": 1,
        "noise_floor": {"floor": 0.05, "source": "shipped"},
        "roofline": {"matmul_flops_per_s": 5e10, "copy_bytes_per_s": 1e10},
        "rerun": "jconv run config.yaml",
    }
    _ = (path / record.ENVIRONMENT).write_text(json.dumps(facts | environment))
    _ = (path / record.RESOLVED).write_text("name: tiny\nnote: <b>bold</b>\n")
    images.write_picture(path / record.PICTURES / "input.png", np.zeros((8, 8, 3)))
    for name in ("oracle", "direct", "fft"):
        images.write_picture(path / record.PICTURES / f"sobel.{name}.png", np.eye(8), limit=1.0)
    return path


def everything() -> list[Line]:
    """Return the records of all kinds, as no single run has them."""
    return [one for kind in KINDS.values() for one in kind()]
