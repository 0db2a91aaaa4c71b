"""Wrong configs by the thousand: each is right, or one message; none is a traceback, runs code, or writes a file."""

import random
from pathlib import Path

import pytest
from commands import jconv

from jconv.errors import ConfigError
from jconv.lab import assemble, loading, plan
from jconv.lab.document import parse

SEEDS = [path.read_text() for path in loading.shipped_configs().values()] + [
    """\
schema_version: 1
kind: timing
name: seed
seed: 3
layers:
  - {name: a, window: [3, 3], in_channels: 4, out_channels: 4, groups: 2, stride: [1, 2], padding: [[1, 2], [0, 1]]}
  - {name: b, window: 5, in_channels: 4, out_channels: 8, size: 20, padding_mode: reflect, dilation: 2}
transforms: [forward, vmap]
dtypes: [float32, bfloat16]
sweep: {batch: [1, 8], layers.0.window: {start: 1, end: 9, multiplier: 3}}
zip: {layers.1.in_channels: [2, 4], layers.1.out_channels: [6, 8]}
exclude: [{batch: 8, layers.0.window: [3, 9]}]
measure: {rounds: 20, seconds: 0.5, precision: 0.05}
limits: {isolate: case, seconds: 10, memory_mib: 512}
""",
    """\
schema_version: 1
kind: scaling
name: seed
layer: {name: a, window: [4], in_channels: 4, out_channels: 4, transposed: true, stride: 2, output_padding: 1}
axis: channels
values: [4, 8, 16]
""",
    "schema_version: 1\nkind: training\nname: seed\nmodel: lenet\ndata: digits\nepochs: 3\nseeds: [0, 1]\nwidth: 0.5\n",
    "schema_version: 1\nkind: arithmetic\nname: seed\nsize: [32, 40]\n"
    "layers:\n  - {name: a, window: [3, 3], stride: 2}\n",
    "schema_version: 1\nkind: agreement\nname: seed\nlayers: resnet50\nvalues: integers\nextends: quickstart\n",
]
VALUES = [
    *(
        "null",
        "true",
        "-1",
        "0",
        "1",
        "3.5",
        "-.inf",
        ".nan",
        "1e400",
        "10000000000000",
        "99999999999999999999",
        "0x7f",
    ),
    *(
        "''",
        "'a b'",
        "../../../etc/passwd",
        "/dev/zero",
        "/etc/shadow",
        "[]",
        "{}",
        "[[[[]]]]",
        "[1, [2, 3]]",
        "{a: b}",
    ),
    *(
        "!!python/object/apply:os.system ['touch pwned']",
        "!include x",
        "&a [*a]",
        "*b",
        "012",
        "1_000",
        "'\\0'",
        "é",
        "$(id)",
    ),
    *(
        "SAME",
        "VALID",
        "CAUSAL",
        "FULL",
        "fft",
        "[fft, fft]",
        "all",
        "resnet50",
        "unet.jsonl",
        "{start: 1, end: 1e9, multiplier: 1.0001}",
    ),
]
KEYS = [
    "kind",
    "name",
    "layers",
    "window",
    "stride",
    "padding",
    "groups",
    "size",
    "sweep",
    "zip",
    "extends",
    "x",
    "0",
    "é",
]
LETTERS = "{}[]:,-#&*!|>'\"%@` \n\tab09.\x00\ufeff\u2028é"


def mutated(rng: random.Random) -> str:
    """Return a config with a few slips, small or large."""
    lines = rng.choice(SEEDS).splitlines()
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        line = lines[at]
        match rng.randrange(8):
            case 0:
                del lines[at]
            case 1:
                lines.insert(rng.randrange(len(lines) + 1), line)
            case 2:
                place = rng.randrange(len(line) + 1)
                lines[at] = line[:place] + rng.choice(LETTERS) + line[place:]
            case 3 if line:
                place = rng.randrange(len(line))
                lines[at] = line[:place] + line[place + 1 :]
            case 4 if ": " in line:
                head, _, rest = line.partition(": ")
                lines[at] = f"{head}: {rng.choice(VALUES)}{rest[len(rest) - rng.randint(0, 1) :]}"
            case 5 if ": " in line:
                keys = [i for i in range(len(line)) if line.startswith(": ", i)]
                end = rng.choice(keys)
                stop = min((line.find(sign, end) for sign in ",}" if line.find(sign, end) > 0), default=len(line))
                lines[at] = f"{line[: end + 2]}{rng.choice(VALUES)}{line[stop:]}"
            case 6:
                lines[at] = line.replace(line.strip().partition(":")[0] or "#", rng.choice(KEYS), 1)
            case _:
                lines[at] = " " * rng.randint(0, 5) + line.strip()
        if not lines:
            return ""
    return "\n".join(lines)


def outcome(text: str, overrides: list[str]) -> str:
    """Return what is wrong with a config, or nothing."""
    try:
        document = assemble.overridden(parse(text, "fuzzed.yaml"), overrides)
        problems = plan.plan(loading.validate(assemble.without(document, ["extends"])))
        assert problems
    except ConfigError as wrong:
        return str(wrong)
    return ""


def overrides(rng: random.Random) -> list[str]:
    return [f"{rng.choice(KEYS)}{rng.choice(['', '.0', '.x', '[name=a]', '[', ']'])}={rng.choice(VALUES)}"]


@pytest.mark.parametrize("part", range(5))
def test_five_thousand_mutated_configs_are_right_or_one_message(part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = random.Random(part)
    words = [outcome(mutated(rng), overrides(rng) if rng.random() < 0.3 else []) for _ in range(1000)]
    wrong = [text for text in words if text]
    assert 300 < len(wrong) < 1000  # the fuzzer makes both kinds
    assert all("Traceback" not in text for text in wrong)
    assert all("error:" in text or "must" in text for text in wrong)
    assert list(tmp_path.iterdir()) == []


def test_fifty_wrong_configs_through_the_command_end_with_exit_2(tmp_path):
    rng = random.Random(99)
    (tmp_path / "runs").mkdir()
    for i in range(50):
        text = next(text for text in iter(lambda: mutated(rng), None) if outcome(text, []) and "extends" not in text)
        path = tmp_path / f"wrong{i}.yaml"
        path.write_bytes(text.encode("utf-8"))
        result = jconv(rng.choice(["run", "check"]), path.name, cwd=tmp_path)
        assert result.returncode == 2, (text, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        assert result.stderr.strip()
        path.unlink()
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "name: ../../outside",
        "name: /tmp/outside",
        "filters: [{name: ../x, kernel: [[1]]}]",
        "input: !!python/name:os.system ''",
        "x: !!python/object/apply:pathlib.Path.touch [pwned]",
        "x: !<tag:yaml.org,2002:python/object/new:os.system> [touch pwned]",
    ],
)
def test_no_config_runs_code_or_leaves_its_folder(text, tmp_path):
    good = "schema_version: 1\nkind: photograph\nfilters: [{name: a, kernel: [[1, 2]]}]\n"
    key = text.partition(":")[0]
    lines = [line for line in (good + "name: n\n").splitlines() if not line.startswith(f"{key}:")]
    (tmp_path / "own.yaml").write_text("\n".join([*lines, text]) + "\n")
    result = jconv("run", "own.yaml", cwd=tmp_path)
    assert result.returncode == 2, result.stdout
    assert "own.yaml:" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["own.yaml"]
    assert not Path("/tmp/outside").exists()
