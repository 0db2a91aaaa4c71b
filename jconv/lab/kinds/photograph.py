"""Filters and layers over a photograph: their operands, their programs, and the true answer."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

import jconv
from jconv.lab import images, oracle
from jconv.lab.config import Filter
from jconv.lab.plan import Problem

Program = Callable[..., Any]
PARTS = ("forward", "x_gradient", "kernel_gradient")


class Operands(NamedTuple):
    """What a problem's programs are given; float32."""

    x: np.ndarray
    kernel: np.ndarray
    cotangent: np.ndarray


class Truth(NamedTuple):
    """The oracle's answers: to the operands, to their absolute values, and to ones (how many terms each sum has)."""

    answer: oracle.Answer
    absolute: oracle.Answer
    terms: oracle.Answer


def operands(problem: Problem, picture: np.ndarray, seed: int) -> Operands:
    """Draw a problem's operands: channels from the picture, weights and cotangent from the seed.

    A filter gets the grey picture. A layer gets the grey picture, its colours, or as many channels as it wants,
    each the picture through a random 3×3 filter; a batch is the picture rolled sideways.

    Args:
        problem: The problem.
        picture: `[size, size, 3]`, between 0 and 1.
        seed: The run's seed; the problem's name makes each problem's draws its own.

    Returns:
        The operands.
    """
    rng = np.random.default_rng([seed, *problem.name.encode()])
    channels = problem.x_shape[-1]
    if channels == 1:
        image = images.grey(picture)[..., None]
    elif channels == 3:
        image = picture
    else:
        mixing = rng.standard_normal((3, 3, 3, channels)) / np.sqrt(27)
        image = oracle.conv(picture[None], mixing, padding="SAME", padding_mode="edge").output[0]
        image = (image - image.mean()) / (image.std() or 1.0)
    shift = problem.size // problem.x_shape[0]
    x = np.stack([np.roll(image, shift * i, axis=1) for i in range(problem.x_shape[0])])
    if isinstance(problem.entry, Filter):
        kernel = np.array(problem.entry.kernel)[..., None, None]
    else:
        fan_in = int(np.prod(problem.kernel_shape[:-1]))
        kernel = rng.standard_normal(problem.kernel_shape) * np.sqrt(2 / fan_in)
    shape = jax.eval_shape(program(problem, "direct", "highest"), _shape(x), _shape(kernel)).shape
    return Operands(*(np.asarray(array, np.float32) for array in (x, kernel, rng.standard_normal(shape))))


def check(problem: Problem) -> None:
    """Raise `jconv.GeometryError` if the problem's arguments describe no convolution; nothing is computed."""
    x, kernel = (jax.ShapeDtypeStruct(shape, np.float32) for shape in (problem.x_shape, problem.kernel_shape))
    _ = jax.eval_shape(program(problem, "direct", "highest"), x, kernel)


def program(problem: Problem, formulation: str, precision: str) -> Program:
    """Return the function of x and kernel that computes a problem by a formulation."""
    settings = {**problem.arguments, "formulation": formulation, "precision": precision}
    if problem.transposed:
        return lambda x, kernel: jconv.conv_transpose(x, kernel, **settings)
    call = jconv.convolve if isinstance(problem.entry, Filter) and problem.entry.flip else jconv.conv
    return lambda x, kernel: call(x, kernel, **settings)


def gradient(function: Program) -> Program:
    """Return the function of x, kernel and a cotangent that pulls it back to both."""
    return lambda x, kernel, cotangent: jax.vjp(function, x, kernel)[1](cotangent)


def truth(problem: Problem, drawn: Operands) -> Truth:
    """Return the oracle's answers in float64."""
    settings: Mapping[str, Any] = problem.arguments
    if isinstance(problem.entry, Filter):
        settings = {**settings, "flip": problem.entry.flip}
    call = oracle.conv_transpose if problem.transposed else oracle.conv
    return Truth(
        call(*drawn, **settings),
        call(*(np.abs(array) for array in drawn), **settings),
        call(*(np.ones_like(array) for array in drawn), **settings),
    )


def _shape(array: np.ndarray) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, np.float32)
