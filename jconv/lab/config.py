"""What an experiment's YAML may say: pydantic models, and errors that point into the file. No JAX here."""

import re
import types
import typing
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from jconv.errors import ConfigError, suggestion
from jconv.lab.document import Document, Fault, KeyPath, Place, read

FormulationName = Literal[
    "sliding",
    "direct",
    "patches",
    "shifts",
    "einsum",
    "toeplitz",
    "sparse",
    "circulant",
    "fft",
    "phases",
    "auto",
]
PaddingWord = Literal["VALID", "SAME", "SAME_LOWER", "FULL", "CAUSAL"]
PaddingMode = Literal["zeros", "circular", "reflect", "edge"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]
Positive = Annotated[int, Field(ge=1, le=4096)]
Side = Annotated[int, Field(ge=1, le=1024, description="The picture's height and width, in pixels.")]
Steps = Positive | Annotated[list[Positive], Field(min_length=2, max_length=2)]
Pad = int | Annotated[list[int], Field(min_length=2, max_length=2)]
Padding = PaddingWord | int | Annotated[list[Pad], Field(min_length=2, max_length=2)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Measure(_Model):
    """How the cases of a problem are timed."""

    rounds: Annotated[int, Field(ge=3, le=10_000, description="Interleaved rounds, so samples per case.")] = 30
    seconds: Annotated[float, Field(gt=0, le=3600, description="A case leaves the rounds after this long.")] = 0.1
    gradient: Annotated[bool, Field(description="Check and time both gradients too.")] = True
    confidence: Annotated[float, Field(gt=0.5, lt=1, description="Coverage of the bootstrap intervals.")] = 0.95
    resamples: Annotated[int, Field(ge=100, le=100_000, description="Bootstrap resamples.")] = 1000


class Filter(_Model):
    """One fixed filter over the grey picture; its output is a picture in the report."""

    name: Name
    kernel: Annotated[
        list[Annotated[list[float], Field(min_length=1, max_length=64)]],
        Field(min_length=1, max_length=64, description="The filter's rows."),
    ]
    flip: Annotated[bool, Field(description="Flip the kernel: convolve, where the field correlates.")] = False
    padding: Padding = "SAME"
    padding_mode: PaddingMode = "edge"
    size: Side | None = None


class Layer(_Model):
    """One network layer over channels drawn from the picture; its weights are drawn from the seed."""

    name: Name
    window: Annotated[list[Positive], Field(min_length=2, max_length=2, description="Height and width.")]
    in_channels: Positive
    out_channels: Positive
    stride: Steps = 1
    padding: Padding = "SAME"
    padding_mode: PaddingMode = "zeros"
    dilation: Steps = 1
    groups: Positive = 1
    transposed: bool = False
    output_padding: Annotated[int, Field(ge=0, le=4096)] = 0
    size: Side | None = None


class Config(_Model):
    """One experiment: filters and layers over a photograph, through every formulation."""

    schema_version: Literal[1]
    kind: Literal["photograph"]
    name: Name
    input: Annotated[
        str, Field(min_length=1, description="'photo' for matplotlib's own, or an image file beside the config.")
    ] = "photo"
    size: Side = 64
    batch: Positive = 1
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    precision: Literal["default", "high", "highest"] = "highest"
    formulations: Literal["all"] | Annotated[list[FormulationName], Field(min_length=1)] = "all"
    measure: Measure = Measure()
    filters: list[Filter] = []
    layers: list[Layer] = []

    def contenders(self) -> tuple[str, ...]:
        """Return the names of the formulations to run, in the order of the table."""
        known = typing.get_args(FormulationName)
        return known if self.formulations == "all" else tuple(name for name in known if name in self.formulations)


def load(path: Path) -> tuple[Config, Document]:
    """Read and check a config.

    Args:
        path: The YAML file.

    Returns:
        The config, and the document it came from, for errors found later.

    Raises:
        ConfigError: If anything is wrong with it; the message lists everything.
    """
    document = read(path)
    return validate(document), document


def validate(document: Document) -> Config:
    """Check a document against the models.

    Args:
        document: The parsed file.

    Returns:
        The config.

    Raises:
        ConfigError: If anything is wrong with it; the message lists everything.
    """
    if not isinstance(document.data, dict):
        raise document.error([Fault(Place(1, 1), (), "a config must be keys and values", "'schema_version: 1'")])
    try:
        config = Config.model_validate(document.data)
    except pydantic.ValidationError as error:
        raise document.error(_faults(error, document)) from None
    names = [problem.name for problem in (*config.filters, *config.layers)]
    twice = {name for name, count in Counter(names).items() if count > 1}
    faults = [
        Fault(document.values[(part, i, "name")], (part, i, "name"), f"the name {entry.name!r} stands twice")
        for part in ("filters", "layers")
        for i, entry in enumerate(getattr(config, part))
        if entry.name in twice
    ]
    if not names:
        faults.append(Fault(Place(1, 1), (), "nothing to run", "give an entry under 'filters:' or 'layers:'"))
    if isinstance(config.formulations, list) and len(set(config.formulations)) < len(config.formulations):
        path: KeyPath = ("formulations",)
        faults.append(Fault(document.values[path], path, "a formulation stands twice", "name each once"))
    if faults:
        raise document.error(faults)
    return config


def find(word: str) -> Path:
    """Return the config file that a path, or the name of a shipped config, stands for.

    Args:
        word: A path to a YAML file, or a name such as `quickstart`.

    Returns:
        The file.

    Raises:
        ConfigError: If there is none.
    """
    path = Path(word)
    if path.is_file():
        return path
    shipped = shipped_configs()
    if word in shipped:  # a folder of that name is likely what an earlier run of it wrote
        return shipped[word]
    if path.is_dir():
        raise ConfigError(f"run: config must be a YAML file; got the folder {word}. Name a file in it.")
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise ConfigError(f"run: config must be a file that exists; got {word}.{suggestion(path.stem, shipped)}")
    raise ConfigError(
        f"run: config must be a YAML file or one of {', '.join(shipped)}; got {word!r}.{suggestion(word, shipped)}"
    )


def shipped_configs() -> dict[str, Path]:
    """Return the configs that come with jconv, by name: the checkout's `configs/`, or the wheel's copy of it."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_configs", package.parent / "configs"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def _faults(error: pydantic.ValidationError, document: Document) -> list[Fault]:
    """Translate pydantic's errors: one per place in the file, a union's branches joined."""
    found: dict[KeyPath, list[Any]] = {}
    for entry in error.errors(include_url=False):
        missing = entry["type"] == "missing"
        loc = entry["loc"][:-1] if missing else entry["loc"]
        # pydantic puts a union's branch names in loc; parts the file doesn't have are dropped.
        path: KeyPath = ()
        for part in loc:
            if (*path, part) in document.values:
                path = (*path, part)
        found.setdefault(path, []).append(entry)
    faults = []
    for path, entries in found.items():
        # A union's other branches complain about the whole value: the branch that got deepest knows better.
        if any(len(other) > len(path) and other[: len(path)] == path for other in found) and not any(
            entry["type"] == "missing" for entry in entries
        ):
            continue
        faults.extend(_translated(path, entries, document))
    return faults


def _translated(path: KeyPath, entries: list[Any], document: Document) -> list[Fault]:
    value_place = document.values[path]
    model = _model_at(path)
    faults = []
    for entry in (entry for entry in entries if entry["type"] == "missing"):
        key = entry["loc"][-1]
        faults.append(Fault(value_place, (*path, key), f"the key {key!r} is missing", f"add '{key}: …'"))
    others = [entry for entry in entries if entry["type"] != "missing"]
    if any(entry["type"] == "extra_forbidden" for entry in others):
        known = list(model.model_fields) if model else []
        near = suggestion(str(path[-1]), known).strip()
        remedy = f"{near} allowed: {', '.join(known)}".strip()
        faults.append(Fault(document.keys[path], path, f"unknown key {path[-1]!r}", remedy))
    elif others:
        words = [
            word for entry in others for word in re.findall(r"'([^']+)'", entry.get("ctx", {}).get("expected", ""))
        ]
        got = others[0]["input"]
        reasons = list(dict.fromkeys(entry["msg"] for entry in others))
        reason = " or ".join([reasons[0], *(text.removeprefix("Input should be ") for text in reasons[1:])])
        near = suggestion(got, words).strip() if isinstance(got, str) else ""
        faults.append(Fault(value_place, path, f"{reason}; got {got!r}", near))
    return faults


def _model_at(path: KeyPath) -> type[BaseModel] | None:
    """Return the model whose key the last part of a path is."""
    model: type[BaseModel] | None = Config
    for part in path[:-1]:
        if isinstance(part, str) and model:
            field = model.model_fields.get(part)
            model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((model for part in typing.get_args(annotation) if (model := _model_in(part))), None)
