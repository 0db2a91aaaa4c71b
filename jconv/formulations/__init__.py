"""The table: every formulation of the convolution, in the order of reports."""

from collections.abc import Mapping
from types import MappingProxyType

from jconv.formulations._base import Formulation
from jconv.formulations.circulant import CIRCULANT
from jconv.formulations.direct import DIRECT
from jconv.formulations.einsum import EINSUM
from jconv.formulations.fft import FFT
from jconv.formulations.patches import PATCHES
from jconv.formulations.phases import PHASES
from jconv.formulations.shifts import SHIFTS
from jconv.formulations.sliding import SLIDING
from jconv.formulations.sparse import SPARSE
from jconv.formulations.toeplitz import TOEPLITZ

FORMULATIONS: Mapping[str, Formulation] = MappingProxyType(
    {
        formulation.name: formulation
        for formulation in (
            SLIDING,
            DIRECT,
            PATCHES,
            SHIFTS,
            EINSUM,
            TOEPLITZ,
            SPARSE,
            CIRCULANT,
            FFT,
            PHASES,
        )
    }
)

__all__ = ["FORMULATIONS", "Formulation"]
