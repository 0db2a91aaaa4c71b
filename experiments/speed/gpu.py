"""Time layers and steps on an NVIDIA GPU by its own clock, against cuDNN as lax calls it.

    python experiments/speed/gpu.py race 540       each formulation in a pass of a layer, for 540 seconds
    python experiments/speed/gpu.py table 540      `auto` against lax, forward and with both gradients
    python experiments/speed/gpu.py steps resnet50 training steps with `install()` and without
    python experiments/speed/gpu.py summary        what the records say

Adds a line for each problem to `gpu/race.jsonl`, `gpu/table.jsonl` or `gpu/steps.jsonl`. A call's time is that of its
kernels, all together, as CUPTI gives it; in each round every contender runs once, in random order.
"""

import itertools
import json
import sys
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from summary import kind, speedup

import jconv
from jconv import _timing, _tune
from jconv.costs import Problem as Convolution
from jconv.costs import parse_problem
from jconv.lab import programs, record
from jconv.lab.loading import find, load
from jconv.lab.plan import Problem, plan
from jconv.lab.truth import ARGUMENTS
from jconv.selection import _choose, made_here

HERE = Path(__file__).parent / "gpu"
NETWORKS = [
    "mobilenet_v2",
    "resnet50",
    "resnext50_32x4d",
    "convnext_tiny",
    "dcgan",
    "wavenet",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "replknet_31b",
    "unet",
    "unet3d",
    "long_filter",
]
BATCHES = 1, 8
PASSES = "forward", "input_gradient", "kernel_gradient"
WHOLE = "forward", "forward_backward"
ONE_OF = {"pointwise": 20, "dense": 6, "grouped": 6, "3-D": 6, "depthwise": 3, "1-D": 3, "strided": 3}
"""Of so many problems of a kind one is raced; of other kinds every second."""
ROUNDS, QUEUED = 15, 20
CHUNK, THREADS = 12, 4  # problems compiled together
LAX = "lax"
TOLERANCE = {"float32": 2e-3, "bfloat16": 3e-2}  # relative to the largest; float32 is multiplied as TF32


class Contender(NamedTuple):
    """A compiled program with its operands, and the bytes it needs besides."""

    call: Callable[[], Any]
    temp_bytes: int


def problems(transforms: tuple[str, ...]) -> list[Problem]:
    """Return layers with each transform and dtype, each once, in an order drawn at random; of some kinds a part."""
    found: dict[str, Problem] = {}
    for network, batch in itertools.product(NETWORKS, BATCHES):
        words = [f"layers={network}", f"batch={batch}", "precision=default", "dtypes=[float32,bfloat16]"]
        for problem in plan(load(find("speed_layers"), words)):
            for transform in transforms:
                one = problem._replace(transform=transform, layer=f"{network}/{problem.layer}")
                _ = found.setdefault(f"{one.canonical}/{transform}", one)
    every = list(found.values())
    seen: Counter[Any] = Counter()
    kept = []
    for i in np.random.default_rng(0).permutation(len(every)):
        problem = every[i]
        name = kind(problem.call.convolution, problem.call.transposed)
        share = ONE_OF.get(name, 2) if transforms == PASSES else 4 if name == "pointwise" else 1
        if seen[name, problem.transform] % share == 0:
            kept.append(problem)
        seen[name, problem.transform] += 1
    return kept


def operands(problem: Problem, pool: np.ndarray) -> list[jax.Array]:
    """Return a problem's operands on the GPU, cut from a pool of normal numbers."""
    sizes, rng = programs.shapes(problem.call, 1), np.random.default_rng(0)
    drawn = []
    for name in ARGUMENTS[problem.transform]:
        shape, scale = sizes[name]
        array = scale * np.resize(np.roll(pool, rng.integers(len(pool))), shape)
        drawn.append(jax.device_put(array.astype(jnp.dtype(problem.dtype))))
    return drawn


def function(problem: Problem, formulation: str) -> Callable[..., Any]:
    """Return the function that a contender compiles."""
    return programs.program(problem.transform, programs.convolution(problem.call, formulation, "default"))


def lowered(problem: Problem, arrays: list[jax.Array], race: bool) -> Iterator[tuple[str, Any]]:
    """Lower a problem's contenders: lax, and either `auto` or, of one pass, each formulation in its place."""
    yield LAX, jax.jit(function(problem, "direct")).lower(*arrays)
    taken = _tune.choices(function(problem, "auto"), *arrays)
    if not race:
        named = "+".join(dict.fromkeys(choice.formulation for choice in taken.values()))
        yield f"auto: {named}", jax.jit(function(problem, "auto")).lower(*arrays)
        return
    (convolution,) = taken
    for name in _tune.candidates(convolution):
        if worth(name, convolution, problem.transform == "kernel_gradient"):
            with forced(convolution, name):
                yield name, jax.jit(function(problem, "auto")).lower(*arrays)


def worth(name: str, convolution: Convolution, by_kernel: bool) -> bool:
    """Whether a formulation could be another program than lax's, and faster: loops of small kernels never were."""
    g, taps = convolution.geometry, convolution.taps
    holes, depthwise = max(g.input_dilation) > 1, g.groups > 1 and convolution.width == 1
    wanted = {
        "direct": by_kernel or holes,  # where `auto` writes another program than lax
        "patches": g.groups == 1 and not holes,
        "shifts": depthwise and taps <= 49 and not by_kernel,
        "col2im": holes or (depthwise and 25 <= taps <= 49 and not by_kernel),
        "phases": holes,
        "space_to_depth": max(g.stride) > 1 and convolution.depth <= 4,
        "fft": taps >= 25 and depthwise and (not by_kernel or convolution.positions >= 25),
        "winograd": g.groups == 1 and not by_kernel,
    }
    return wanted.get(name, False) and not (taps == 1 and name == "winograd")


@contextmanager
def forced(convolution: Convolution, name: str) -> Iterator[None]:
    """Let `auto` take a formulation for a convolution."""
    _choose._loaded[convolution] = made_here(convolution, name, "raced")
    _choose.lower_again.set(object())
    try:
        yield
    finally:
        jconv.selection.forget()


def compiled(program: Any, arrays: list[jax.Array]) -> Contender | str:
    """Compile a contender and run it once; what stops it is recorded."""
    try:
        made = program.compile()
        _ = jax.block_until_ready(made(*arrays))
    except jax.errors.JaxRuntimeError as error:
        return f"{type(error).__name__}: {str(error)[:120]}"
    return contender(made, *arrays)


def contender(made: Any, *arrays: Any) -> Contender:
    """Return a compiled program as a contender."""
    return Contender(lambda: made(*arrays), int(getattr(made.memory_analysis(), "temp_size_in_bytes", -1)))


def kernels(run: Callable[[], Any]) -> list[tuple[str, float]]:
    """Return the kernels that a function runs on the GPU, and their milliseconds, by CUPTI."""
    from jax._src.lib import mosaic_gpu  # JAX's own measure of Pallas kernels; nothing public reads CUPTI

    mosaic_gpu._mosaic_gpu_ext._cupti_init()
    try:
        _ = jax.block_until_ready(run())
    finally:
        timings = mosaic_gpu._mosaic_gpu_ext._cupti_get_timings(False)
    return timings


def device_times(contenders: dict[str, Contender], rng: np.random.Generator) -> dict[str, list[float]]:
    """Return each contender's milliseconds on the device, round by round."""
    own = {name: sorted(kernel for kernel, _ in kernels(c.call)) for name, c in contenders.items()}
    order = [name for _ in range(ROUNDS) for name in rng.permutation(list(contenders))]
    every = iter(kernels(lambda: [jax.block_until_ready(contenders[name].call()) for name in order]))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for name in order:
        share = list(itertools.islice(every, len(own[name])))
        if sorted(kernel for kernel, _ in share) != own[name]:
            raise RuntimeError(f"{name} ran other kernels than alone: {share}")
        times[name].append(sum(milliseconds for _, milliseconds in share))
    return times


def queued(contenders: dict[str, Contender], times: dict[str, list[float]], rng: np.random.Generator) -> dict[str, Any]:
    """Return the milliseconds of a call by the host's clock where calls queue up: launches and gaps count too."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(5):
        for name in rng.permutation(list(contenders)):
            calls = int(np.clip(2.0 / max(*times[name], 1e-3), 1, QUEUED))
            start = time.perf_counter()
            _ = jax.block_until_ready([contenders[name].call() for _ in range(calls)][-1])
            found[name].append(1e3 * (time.perf_counter() - start) / calls)
    return {name: float(np.median(times)) for name, times in found.items()}


def timed(made: dict[str, Contender], rng: np.random.Generator) -> dict[str, Any]:
    """Return what is recorded of each contender."""
    times = device_times(made, rng)
    host = queued(made, times, rng)
    found = {}
    for name, own in times.items():
        ratio = _timing.paired_ratio(own, times[LAX])
        found[name] = {
            "ms": rounded(np.median(own)),
            "ratio": [rounded(end) for end in (ratio.median, ratio.low, ratio.high)],
            "queued_ms": rounded(host[name]),
            "kernels": len(kernels(made[name].call)),
            "temp_bytes": made[name].temp_bytes,
        }
    return found


def rounded(value: float) -> float:
    """Return four digits of a number."""
    return float(f"{value:.4g}")


def off_by(value: Any, reference: Any) -> float:
    """Return the largest difference, relative to the largest entry of its array."""
    pairs = [(a.astype("float32"), b.astype("float32")) for a, b in zip(value, reference, strict=True)]
    return max(float(jnp.abs(a - b).max() / jnp.abs(b).max()) for a, b in pairs)


def line(problem: Problem, made: dict[str, Contender | str], rng: np.random.Generator) -> dict[str, Any]:
    """Check and time a problem's contenders."""
    right: dict[str, Contender] = {}
    wrong: dict[str, str] = {}
    expected = made[LAX].call() if isinstance(made[LAX], Contender) else None
    for name, one in made.items():
        if isinstance(one, str):
            wrong[name] = one
        elif expected is not None and (off := off_by(one.call(), expected)) <= TOLERANCE[problem.dtype]:
            right[name] = one
        elif expected is not None:
            wrong[name] = f"off by {off:.2g}"
    return {"problem": problem.name, "contenders": timed(right, rng) if LAX in right else {}, "wrong": wrong}


def layers(transforms: tuple[str, ...], seconds: float) -> Iterator[dict[str, Any]]:
    """Time problems until the time is over."""
    rng, until = np.random.default_rng(0), time.monotonic() + seconds
    pool = rng.standard_normal(2**22, dtype=np.float32)
    todo = problems(transforms)
    with ThreadPoolExecutor(THREADS) as threads:
        for first in range(0, len(todo), CHUNK):
            if time.monotonic() > until:
                return
            jobs = []
            for problem in todo[first : first + CHUNK]:
                arrays = operands(problem, pool)
                found = dict(lowered(problem, arrays, race=transforms == PASSES))
                if list(found) == [LAX, "auto: direct"] and zlib.crc32(problem.name.encode()) % 4:
                    continue  # lax's own convolutions: a quarter of them shows the noise
                jobs.append((problem, {name: threads.submit(compiled, one, arrays) for name, one in found.items()}))
            made = [(problem, {name: job.result() for name, job in own.items()}) for problem, own in jobs]
            for problem, contenders in made:
                yield line(problem, contenders, rng)


def steps(names: list[str]) -> Iterator[dict[str, Any]]:
    """Time a training step of plain Flax networks, with `jconv.install()` and without."""
    from steps import programs as network

    jconv.install("cuda")
    for name in names:
        functions, state = network(name)
        made, compiling = {}, {}
        for words, on in ((LAX, False), ("install", True)):
            start = time.perf_counter()
            with jconv.installed(on):
                program = jax.jit(functions["step"]).lower(state).compile()
            compiling[words] = rounded(time.perf_counter() - start)
            made[words] = contender(program, state)
        losses = [float(one.call()[1]) for one in made.values()]
        found = timed(made, np.random.default_rng(0))
        yield {"network": name, "losses": losses, "compile_s": compiling, "contenders": found}


def summary() -> None:
    """Print what the records say: `auto` by kind, one program compiled twice, the winners of the race, the steps."""
    read = lambda name: [json.loads(text) for text in (HERE / f"{name}.jsonl").read_text().splitlines()]  # noqa: E731
    times: dict[Any, list[float]] = defaultdict(list)
    twice = []
    for one in read("table"):
        _, _, text, transform = one["problem"].split("/")
        problem = parse_problem(text)
        words = "forward" if transform == "forward" else "forward + gradients"
        for name, found in one["contenders"].items():
            if name == "auto: direct" and transform == "forward":
                twice.append(found["ratio"][0])
            elif name != LAX:
                stock = name == "auto: direct"  # no rule takes any pass
                for key in ("no rule",) if stock else (kind(problem, "transposed" in text), "all"):
                    times[problem.dtype, words, key].append(found["ratio"][0])
    print("`auto` against lax, times as fast by the kernels' time: geometric mean (problems)\n")
    for (dtype, words, own), ratios in sorted(times.items()):
        print(f"{dtype:9} {words:20} {own:10} {speedup(ratios):>7} ({len(ratios)})")
    spread = sorted(max(ratio, 1 / ratio) for ratio in twice)
    print(f"\nlax's own program, compiled twice: {', '.join(f'{one:.2f}' for one in spread)} times apart")
    print("\nof races, those that a formulation won by 5 % and more, and the geometric mean against lax\n")
    races: dict[Any, list[float]] = defaultdict(list)
    for one in read("race"):
        _, _, text, transform = one["problem"].split("/")
        for name, found in one["contenders"].items():
            if name != LAX:
                races[kind(parse_problem(text), "transposed" in text), transform, name].append(found["ratio"][0])
    for (own, transform, name), ratios in sorted(races.items()):
        won = sum(ratio < 0.95 for ratio in ratios)
        print(f"{own:10} {transform:16} {name:15} {won:2} of {len(ratios):2}  {speedup(ratios):>7}")
    print("\ntraining steps with install(), times as fast: by the kernels' time, by the host's clock where calls queue")
    for one in read("steps"):
        lax, on = one["contenders"][LAX], one["contenders"]["install"]
        print(f"{one['network']}: {1 / on['ratio'][0]:.2f}, {lax['queued_ms'] / on['queued_ms']:.2f}")


def main() -> None:
    """Do what is asked, and write a line for each problem as soon as it is timed."""
    what, *words = sys.argv[1:]
    if what == "summary":
        return summary()
    HERE.mkdir(exist_ok=True)
    machine = record.describe_machine() | {"device": jax.devices()[0].device_kind}
    _ = (HERE / record.ENVIRONMENT).write_text(record.encoded(machine) + "\n")
    found = steps(words) if what == "steps" else layers(PASSES if what == "race" else WHOLE, float(words[0]))
    with (HERE / f"{what}.jsonl").open("a") as file:
        for one in found:
            print(one, flush=True)
            _ = file.write(record.encoded(one) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
