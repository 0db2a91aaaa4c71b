"""`install()` speeds up the models of other libraries, where these are installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jconv


def gradients(loss, parameters, x, on):
    """Return the gradients of a loss, and the convolutions that stay in the program."""
    with jconv.installed(on):
        lowered = jax.jit(jax.grad(loss)).lower(parameters, x)
    return lowered.compile()(parameters, x), lowered.as_text().count("stablehlo.convolution")


def same_with_and_without(loss, parameters, x):
    off, every = gradients(loss, parameters, x, on=False)
    on, left = gradients(loss, parameters, x, on=True)
    assert left < every
    for one, other in zip(jax.tree.leaves(on), jax.tree.leaves(off), strict=True):
        assert np.any(np.asarray(other))
        np.testing.assert_allclose(one, other, atol=1e-5 * float(jnp.abs(other).max()), rtol=0)


def test_equinox():
    equinox = pytest.importorskip("equinox")
    first, second = jax.random.split(jax.random.key(0))
    model = equinox.nn.Sequential(
        [
            equinox.nn.Conv2d(4, 8, 3, padding=1, groups=4, key=first),
            equinox.nn.Lambda(jax.nn.relu),
            equinox.nn.ConvTranspose2d(8, 4, 2, stride=2, key=second),
        ]
    )
    parameters, rest = equinox.partition(model, equinox.is_inexact_array)
    x = jax.random.normal(jax.random.key(1), (2, 4, 9, 9))

    def loss(parameters, x):
        return jnp.sum(jax.vmap(equinox.combine(parameters, rest))(x) ** 2)

    same_with_and_without(loss, parameters, x)


def test_haiku():
    haiku = pytest.importorskip("haiku")

    def network(x):
        x = jax.nn.relu(haiku.DepthwiseConv2D(2, 3)(x))
        return haiku.Conv2DTranspose(4, 2, stride=2)(x)

    model = haiku.without_apply_rng(haiku.transform(network))
    x = jax.random.normal(jax.random.key(1), (2, 9, 9, 4))
    parameters = model.init(jax.random.key(0), x)
    same_with_and_without(lambda parameters, x: jnp.sum(model.apply(parameters, x) ** 2), parameters, x)
