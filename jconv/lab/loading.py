"""From a config on disk to checked settings, with errors that point into the file. No JAX here."""

import contextlib
import difflib
import re
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pydantic
from pydantic import BaseModel

from jconv.errors import ConfigError, suggestion
from jconv.lab import assemble, sweep
from jconv.lab.config import KINDS, Experiment, Photograph
from jconv.lab.document import Document, Fault, KeyPath, error, is_file
from jconv.lab.networks.entries import show


class Variant(NamedTuple):
    """One point of an experiment's sweep, checked; the only one where nothing is swept.

    Args:
        values: What the sweep sets.
        label: The same as a word for names; empty without a sweep.
        settings: The config.
        document: Where each value came from.
    """

    values: dict[str, Any]
    label: str
    settings: Experiment
    document: Document


class Loaded(NamedTuple):
    """A config, read and checked.

    Args:
        folder: What the config's paths are relative to.
        document: All of it, merged; sweeps not yet taken apart.
        variants: One entry per point of the sweep.
    """

    folder: Path
    document: Document
    variants: list[Variant]

    @property
    def settings(self) -> Experiment:
        """The first variant's settings; kind, name and what is not swept are those of all."""
        return self.variants[0].settings

    def resolved(self) -> dict[str, Any]:
        """Return all settings, defaults written out, sweeps kept: a config that means the same."""
        data = self.settings.model_dump(mode="json", exclude={"extends", "sweep", "zip", "exclude"})
        return data | {key: self.document.data[key] for key in sweep.CONTROLS if key in self.document.data}


def load(path: Path, overrides: Sequence[str] = ()) -> Loaded:
    """Read and check a config.

    Args:
        path: The YAML file.
        overrides: `key=value` texts.

    Returns:
        The settings of every variant, and where they came from.

    Raises:
        ConfigError: If anything is wrong with it; the message lists everything.
    """
    return validate(assemble.load(path, overrides, shipped_configs()), path.parent)


def validate(document: Document, folder: Path = Path()) -> Loaded:
    """Check a document against the models.

    Args:
        document: The merged document.
        folder: What the config's paths are relative to.

    Returns:
        The settings of every variant.

    Raises:
        ConfigError: If anything is wrong with it; the message lists everything.
    """
    start = document.values[()]
    if not isinstance(document.data, dict):
        raise error([Fault(start, (), "a config must be keys and values", "'schema_version: 1'")])
    kind, found, faults = document.data.get("kind"), [], []
    if not isinstance(kind, str) or kind not in KINDS:
        reason = (
            f"kind must be one of {', '.join(KINDS)}; got {kind!r}"
            if "kind" in document.data
            else "the key 'kind' is missing"
        )
        remedy = (
            suggestion(kind, KINDS).strip() if isinstance(kind, str) else f"add 'kind: …', one of {', '.join(KINDS)}"
        )
        faults.append(Fault(document.place(("kind",)), ("kind",), reason, remedy))
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        if not near:
            raise error(faults)
        kind = near[0]  # most likely meant: what else is wrong is told at once
        document = document._replace(data=document.data | {"kind": kind})
    if "extends" in document.data:  # a file's own was followed already
        faults.append(Fault(document.keys["extends",], ("extends",), "must stand in a config's file", "write it there"))
        raise error(faults)
    try:
        variants = list(sweep.variants(document))
    except ConfigError as wrong:
        raise ConfigError("\n".join([*([str(error(faults))] if faults else []), str(wrong)])) from None
    for variant in variants:
        settings, wrong = _checked(KINDS[kind], variant.document)
        faults += wrong
        if settings is not None:
            found.append(Variant(dict(variant.values), variant.label, settings, variant.document))
    if faults:
        raise error(faults)
    return Loaded(folder, document, found)


def _checked(model: type[Experiment], document: Document) -> tuple[Experiment | None, list[Fault]]:
    try:
        settings = model.model_validate(document.data, context=document.data)
    except pydantic.ValidationError as wrong:
        return None, _faults(wrong, document, model)
    faults = []
    for group in (
        ("filters", "layers"),
        ("formulations",),
        ("transforms",),
        ("dtypes",),
        ("seeds",),
        ("values",),
        ("peers",),
    ):
        first: dict[Any, None] = {}
        for part in group:
            entries = getattr(settings, part, None)
            for i, entry in enumerate(entries if isinstance(entries, list) else []):
                named = hasattr(entry, "name")
                word, path = (entry.name, (part, i, "name")) if named else (entry, (part, i))
                if word in first:
                    reason = f"the name {word!r} stands twice" if named else f"{word!r} stands twice"
                    faults.append(Fault(document.place(path), path, reason, "name each once"))
                first[word] = None
    if isinstance(settings, Photograph) and not settings.filters and not settings.layers:
        remedy = "give an entry under 'filters:' or 'layers:'"
        faults.append(Fault(document.values[()], (), "nothing to run", remedy))
    return settings, faults


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
    if is_file(path):
        return path
    shipped = shipped_configs()
    if word in shipped:  # a folder of that name is likely what an earlier run of it wrote
        return shipped[word]
    with contextlib.suppress(OSError):  # a name that can be none
        if path.is_dir():
            raise ConfigError(f"jconv: config must be a YAML file; got the folder {word}. Name a file in it.")
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise ConfigError(f"jconv: config must be a file that exists; got {word}.{suggestion(path.stem, shipped)}")
    raise ConfigError(
        f"jconv: config must be a YAML file or one of {', '.join(shipped)}; got {word!r}.{suggestion(word, shipped)}"
    )


def shipped_configs() -> dict[str, Path]:
    """Return the configs that come with jconv, by name: the checkout's `configs/`, or the wheel's copy of it."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_configs", package.parent / "configs"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def _faults(wrong: pydantic.ValidationError, document: Document, root: type[BaseModel]) -> list[Fault]:
    """Translate pydantic's errors: one per place in the file, a union's branches joined."""
    found: dict[KeyPath, list[Any]] = {}
    for entry in wrong.errors(include_url=False):
        missing = entry["type"] == "missing"
        loc = entry["loc"][:-1] if missing else entry["loc"]
        # pydantic puts a union's branch names in loc; parts the file doesn't have are dropped.
        path: KeyPath = ()
        for part in loc:
            if (*path, part) in document.values:
                path = (*path, part)
        found.setdefault(path, []).append(entry)
    faults, above = [], {path[:depth] for path in found for depth in range(len(path))}
    for path, entries in found.items():
        # A union's other branches complain about the whole value: the branch that got deepest knows better.
        if path in above and not any(entry["type"] == "missing" for entry in entries):
            continue
        faults.extend(_translated(path, entries, document, root))
    return faults


def _translated(path: KeyPath, entries: list[Any], document: Document, root: type[BaseModel]) -> list[Fault]:
    value_place = document.values[path]
    model = _model_at(root, path)
    faults = []
    for entry in (entry for entry in entries if entry["type"] == "missing"):
        key = entry["loc"][-1]
        faults.append(Fault(value_place, (*path, key), f"the key {key!r} is missing", f"add '{key}: …'"))
    others = [entry for entry in entries if entry["type"] != "missing"]
    if any(entry["type"] == "extra_forbidden" for entry in others):
        known = list(model.model_fields) if model else []
        deeper = " or ".join(map(repr, _deeper(root, path)))
        near = f"Did you mean {deeper}?" if deeper else suggestion(str(path[-1]), known).strip()
        remedy = f"{near} allowed: {', '.join(known)}".strip()
        faults.append(Fault(document.keys[path], path, f"unknown key {path[-1]!r}", remedy))
    elif others:
        words = [
            word for entry in others for word in re.findall(r"'([^']+)'", entry.get("ctx", {}).get("expected", ""))
        ]
        got = others[0]["input"]
        reasons = list(dict.fromkeys(entry["msg"] for entry in others))
        reason = " or ".join([reasons[0], *(text.removeprefix("Input should be ") for text in reasons[1:])])
        faults.append(Fault(value_place, path, f"{reason}; got {show(got)}", _remedy(got, words, others)))
    return faults


def _remedy(got: Any, words: Sequence[str], entries: Sequence[Any]) -> str:
    """Return what to write in place of a wrong value, where that can be guessed."""
    if not isinstance(got, str):
        return ""
    kinds = {entry["type"] for entry in entries}
    if "string_pattern_mismatch" in kinds:
        return "letters, digits, '.', '_' and '-' only, a letter or digit first"
    near = next((f"Did you mean {word!r}?" for word in words if word.lower() == got.lower()), "")
    # A list's own error knows none of its words: one formulation alone is the usual slip.
    wants_list = "list_type" in kinds and kinds <= {"list_type", "literal_error"}
    lone = f"Is it a list? Write [{got}]" if wants_list else ""
    return near or suggestion(got, words).strip() or lone


def _deeper(root: type[BaseModel], path: KeyPath) -> Iterator[str]:
    """Yield the paths below a root's keys that end in the same word as an unknown key of the root: `measure.rounds`."""
    if len(path) == 1:
        for name, field in root.model_fields.items():
            model = _model_in(field.annotation)
            if model is not None and path[0] in model.model_fields:
                yield f"{name}.0.{path[0]}" if name in ("layers", "filters") else f"{name}.{path[0]}"


def _model_at(root: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """Return the model whose key the last part of a path is."""
    model: type[BaseModel] | None = root
    for part in path[:-1]:
        if isinstance(part, str) and model:
            field = model.model_fields.get(part)
            model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((model for part in typing.get_args(annotation) if (model := _model_in(part))), None)
