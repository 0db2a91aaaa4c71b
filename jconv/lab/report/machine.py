"""The machine, and how far two identical programs differ on it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import FixedLocator

from jconv import _timing
from jconv._timing import Ratio
from jconv.lab import figures, summary
from jconv.lab.figures import Plot
from jconv.lab.report.blocks import Block, Drawn, Prose, Run, Section, Table, binary, interval, moment, percent
from jconv.lab.summary import Record

FACTS = ("device", "platform", "devices", "processor", "cores", "memory_bytes", "system", "load", "started")
TICKS = (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
TITLE = "Two identical programs, timed against each other"
MANY = 40
"""Ratios above which their figure has no names."""


def section(run: Run) -> Section | None:
    """Return what the run was made on, and its noise."""
    blocks: list[Block] = [Prose(words) for words in _machine(run)]
    twice = [line for line in run.records if line.get("again_ratio")]
    timed = bool(twice) or any(line.get("ratio") for line in run.records)
    if timed:
        blocks += _noise(run, twice)
    return Section("machine", "Machine and noise" if timed else "Machine", blocks)


def _machine(run: Run) -> list[str]:
    env = run.environment
    memory = binary(env["memory_bytes"]) if env.get("memory_bytes") else "unknown"
    load = env.get("load")
    busy = f"; {load:.1f} programs wanted to run when it began" if load else ""
    device = f"{env.get('devices', 1)} × {env.get('device', 'unknown')} ({env.get('platform', 'unknown')})"
    versions = [f"{name} {env[name]}" for name in ("jconv", "jax", "jaxlib", "numpy", "flax", "scipy", "torch")
                if env.get(name) not in (None, "not installed")]  # fmt: skip
    python = f"Python {env.get('python', 'unknown')}"
    flags = f" XLA_FLAGS: {env['xla_flags']}." if env.get("xla_flags") else ""
    return [
        f"{device}; {env.get('processor', 'unknown')}, {env.get('cores', '?')} cores, {memory} memory, "
        f"{env.get('system', 'unknown')}. Begun {moment(env)}{busy}.",
        f"{', '.join([*versions, python])}.{flags}",
    ]


def _noise(run: Run, twice: Sequence[Record]) -> list[Block]:
    source = (run.environment.get("noise_floor") or {}).get("source", "unknown")
    blocks: list[Block] = [
        Prose(f"Differences of times below {percent(run.floor)} are called none (noise floor, {source}).")
    ]
    if not twice:
        return blocks
    ratios = [Ratio(**line["again_ratio"]) for line in twice]
    apart = [float(np.expm1(abs(np.log(ratio.median)))) for ratio in ratios]
    worst = twice[int(np.argmax(apart))]
    words = Counter(_timing.verdict(ratio, run.floor) for ratio in ratios)
    told = words["FASTER"] + words["SLOWER"]
    alarm = (
        f"{told} of {len(ratios)} would have been called a difference: trust no smaller one."
        if told
        else "None of them would have been called a difference."
    )
    seem = f"by {percent(float(np.median(apart)))} in the median and by {percent(max(apart))} at most"
    blocks.append(
        Prose(
            f"In this run direct was timed twice a round on {summary.count(len(ratios), 'problem')}: two identical "
            f"programs that seem apart {seem} ({worst['layer']}, {worst['transform'].replace('_', ' ')}). {alarm}"
        )
    )
    if len(ratios) >= 3:
        blocks.append(_figure(run, twice, ratios))
    return blocks


def _figure(run: Run, twice: Sequence[Record], ratios: Sequence[Ratio]) -> Drawn:
    order = sorted(range(len(ratios)), key=lambda i: ratios[i].median)
    names = [f"{twice[i]['layer']} · {twice[i]['transform'].replace('_', ' ')}" for i in order]
    if len({line["dtype"] for line in twice}) > 1:
        names = [f"{name} · {twice[i]['dtype']}" for name, i in zip(names, order, strict=True)]
    chosen = [ratios[i] for i in order]
    named = len(chosen) <= MANY
    with figures.styled():
        figure, axes = figures.canvas(7.2, 0.8 + (0.19 if named else 0.04) * len(chosen))
        _ = axes.axvspan(1 / (1 + run.floor), 1 + run.floor, color=figures.GRID, alpha=0.6, zorder=0)
        _ = axes.axvline(1, color=figures.QUIET, linewidth=1)
        y = range(len(chosen))
        ends = [[one.median - one.low for one in chosen], [one.high - one.median for one in chosen]]
        _ = axes.errorbar(
            [one.median for one in chosen],
            y,
            xerr=ends,
            fmt="o",
            color=figures.INK,
            ecolor=figures.QUIET,
            markersize=3.5,
        )
        _ = axes.set_yticks(list(y) if named else [], names if named else [])
        axes.grid(visible=False, axis="y")
        _ = axes.set_ylim(-0.8, len(chosen) - 0.2)
        axes.set_xscale("log")
        figures.plain(axes.xaxis)
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if low <= tick <= high]))
        _ = axes.set_xlabel("direct ÷ direct again")
        description = (
            f"{len(chosen)} ratios of two identical programs with their intervals, sorted, "
            f"from {chosen[0].median:.3f} to {chosen[-1].median:.3f}, around one."
        )
        drawn = figures.svg(figure, "noise", TITLE, description)
    rows = [[name, interval(one._asdict()), str(one.pairs)] for name, one in zip(names, chosen, strict=True)]
    data = Table("Data of this figure", ["problem", "direct ÷ direct again", "pairs"], rows, folded=True)
    return Drawn(Plot(drawn, TITLE, "Ratios with their intervals. Shaded: below the noise floor."), data)
