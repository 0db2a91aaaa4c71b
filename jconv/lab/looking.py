"""The commands that look at a convolution: `jconv explain` in words and numbers, `jconv draw` in pictures."""

import re
import typing
from pathlib import Path
from typing import Annotated

import typer

from jconv.costs import EXAMPLE, KEY, PLATFORMS
from jconv.errors import ConfigError, suggestion
from jconv.lab.config import Transform

TRANSFORMS = typing.get_args(Transform)
COPIED = "The border is explained as zeros: this mode pads the input before."
NOTES = {
    "zeros": "",
    "edge": COPIED,
    "circular": COPIED,
    "reflect": COPIED,
    "flipped": "The kernel is flipped before.",
    "transposed": "Of a transposed layer this is the convolution that it is, zeros between the inputs written in.",
}
"""What stands after the dtype of a case string, and what explaining it leaves out."""
ANY_OPTION = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""A figure's own options are not the command's: they are read by `drawing.parse`."""


def explain(
    problem: Annotated[
        str,
        typer.Argument(
            metavar="PROBLEM",
            help=f"A case string, or its part such as {EXAMPLE}: {KEY}.",
        ),
    ],
    platform: Annotated[str, typer.Option("--platform", help=f"One of {', '.join(PLATFORMS)}.")] = "cpu",
    out: Annotated[Path | None, typer.Option("--out", help="A picture too: .svg, .png or .gif.")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="The picture on a dark page.")] = False,
) -> None:
    """Explain a convolution: its sizes and costs, what auto takes and why, the memory of every formulation.

    Example: jconv explain n8_i56x56c96_k3x3o96_s1x1_p1:1x1:1_d1x1_g96_float32
    """
    from jconv._cost import explain_problem
    from jconv.costs import parse_problem

    if platform not in PLATFORMS:
        raise ConfigError(
            f"explain: --platform must be one of {', '.join(PLATFORMS)}; got {platform!r}. What JAX calls gpu is cuda "
            "or rocm here."
        )
    # A layer's name may look like the beginning of what is computed, so the last part that does is taken.
    words = problem.split("/")
    place = max((i for i, word in enumerate(words) if re.match(r"n\d+_i\d", word)), default=None)
    part, transform = problem, "forward"
    if place is not None:
        part, *rest = words[place:]
        transform = rest[0] if rest else "forward"
    if transform not in TRANSFORMS:
        raise ConfigError(
            f"explain: the transform must be one of {', '.join(TRANSFORMS)}; got {transform!r}."
            f"{suggestion(transform, TRANSFORMS)}"
        )
    if dark and out is None:
        raise ConfigError("explain: --dark must have a picture to be dark; got no --out. Add --out a.svg.")
    explained = explain_problem(parse_problem(part, platform=platform))
    words = part.split("_")
    words = words[words.index(explained.problem.dtype) + 1 :]
    for word in words:
        if word not in NOTES:
            raise ConfigError(
                f"explain: what follows the dtype must be among {', '.join(NOTES)}; got {word!r}."
                f"{suggestion(word, NOTES)}"
            )
    _check_file(out)
    typer.echo(str(explained))
    for note in filter(None, map(NOTES.get, words)):
        typer.echo(note)
    if transform != "forward":
        typer.echo(f"Of {transform} this is the forward convolution: auto chooses for each of the others by itself.")
    if out is not None:
        from jconv.draw import explanation

        typer.echo(f"Written: {explanation(explained).save(out, dark=dark)}")


def draw(
    context: typer.Context,
    figure: Annotated[str, typer.Argument(metavar="[FIGURE]", help="Which; without one they are listed.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="The file: .svg, .png, or .gif for all steps.")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="On a dark page.")] = False,
    frame: Annotated[int | None, typer.Option("--frame", min=0, help="The step that an .svg or .png shows.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.02, help="How long a .gif shows a step.")] = 0.7,
    scale: Annotated[float, typer.Option("--scale", min=0.5, max=8, help="Pixels to each of a screen's.")] = 2.0,
) -> None:
    """Draw a figure of a convolution, and say what it shows.

    Example: jconv draw arithmetic --input 5 --window 3 --stride 2 --padding 1 --out a.gif
    """
    from jconv.lab import drawing

    wants_help = figure in ("-h", "--help", "") or any(word in ("-h", "--help") for word in context.args)
    if wants_help and figure in ("-h", "--help", ""):
        typer.echo(f"{context.command.help}\n\n{drawing.listing()}\n\nOptions of one: jconv draw FIGURE --help")
        return
    if wants_help:
        typer.echo(drawing.help_of(figure))
        return
    options = drawing.parse(figure, context.args)
    _check_file(out)
    picture = drawing.draw(figure, options, Path())
    file = out or Path(f"{figure}{'.gif' if picture.frames > 1 and frame is None else '.svg'}")
    typer.echo(f"Written: {picture.save(file, dark=dark, frame=frame, seconds=seconds, scale=scale)}")
    if picture.frames > 1 and file.suffix.lower() != ".gif":
        shown = picture.still if frame is None else frame
        typer.echo(f"It shows step {shown} of 0 … {picture.frames - 1}: --frame shows another, a .gif all of them.")
    typer.echo(picture.text)


def _check_file(out: Path | None) -> None:
    """Raise before anything is drawn if it cannot be written so."""
    if out is not None:
        from jconv.draw._picture import suffix_of

        _ = suffix_of(out)
