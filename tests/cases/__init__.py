"""Cases written by others: read them, and bring their tensors into channels-last order."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

Case = dict[str, Any]
SPACE = {1: "W", 2: "HW", 3: "DHW"}


def load(name: str) -> list[Case]:
    """Return the cases of one file, a dictionary each."""
    lines = (Path(__file__).parent / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def array(tensor: Case) -> np.ndarray:
    """Return a tensor written as a list, a constant, an arithmetic sequence or little-endian float32."""
    dtype, count = np.dtype(tensor.get("dtype", "float32")), int(np.prod(tensor["shape"]))
    if "const" in tensor:
        flat = np.full(count, float(tensor["const"]))
    elif "arange" in tensor:
        start, step = tensor["arange"]
        flat = start + step * np.arange(count)
    elif "b64" in tensor:
        flat = np.frombuffer(base64.b64decode(tensor["b64"]), "<f4")
    else:
        flat = np.array([float(value) for value in tensor["data"]])  # Also "inf", "-inf", "nan".
    return flat.astype(dtype).reshape(tensor["shape"])


def channels_last(case: Case) -> dict[str, np.ndarray]:
    """Return the tensors of a case as jconv lays them out.

    Inputs and outputs become [N, *space, C]; kernels [*window, in/groups, out], and those of conv_transpose
    [*window, out/groups, in]. A bias of one entry stands for every channel.
    """
    space = SPACE[case["nd"]]
    given_x = case.get("lx", "NC" + space)
    given_y = case.get("ly", given_x)
    transposed = case["op"] == "conv_transpose"
    given_w = case.get("lw", ("IO" if transposed else "OI") + space)
    wanted_w = space + ("OI" if transposed else "IO")
    layouts = {"x": (given_x, "N" + space + "C"), "w": (given_w, wanted_w), "y": (given_y, "N" + space + "C")}
    layouts |= {"gx": layouts["x"], "gw": layouts["w"], "gy": layouts["y"]}
    tensors = {}
    for key in ("x", "w", "b", "y", "gx", "gw", "gb", "gy"):
        if case.get(key) is None:
            continue
        tensors[key] = array(case[key])
        if key in layouts:
            given, wanted = layouts[key]
            tensors[key] = tensors[key].transpose([given.index(letter) for letter in wanted])
    if tensors.get("b", np.zeros(2)).shape == (1,):
        out = case["groups"] * tensors["w"].shape[-2] if transposed else tensors["w"].shape[-1]
        tensors["b"] = np.repeat(tensors["b"], out)
    return tensors


def tolerance(case: Case) -> float:
    """Return how far float32 may be off: what float32 costs, and what the source's own numbers are off."""
    return max(2e-5, 4 * case.get("ref_err", 0.0), case.get("rtol", 0.0))
