"""The table: every formulation of the convolution, in the order of reports."""

from collections.abc import Mapping
from types import MappingProxyType

from jconv.formulations._base import Formulation
from jconv.formulations.by_group import BY_GROUP
from jconv.formulations.circulant import CIRCULANT
from jconv.formulations.col2im import COL2IM
from jconv.formulations.direct import DIRECT
from jconv.formulations.einsum import EINSUM
from jconv.formulations.fft import FFT
from jconv.formulations.lanes import LANES
from jconv.formulations.onednn import ONEDNN
from jconv.formulations.overhang import OVERHANG
from jconv.formulations.overlap_add import OVERLAP_ADD
from jconv.formulations.patches import PATCHES
from jconv.formulations.phases import PHASES
from jconv.formulations.row_scan import ROW_SCAN
from jconv.formulations.shifts import SHIFTS
from jconv.formulations.sliding import SLIDING
from jconv.formulations.space_to_depth import SPACE_TO_DEPTH
from jconv.formulations.sparse import SPARSE
from jconv.formulations.toeplitz import TOEPLITZ
from jconv.formulations.winograd import WINOGRAD

FORMULATIONS: Mapping[str, Formulation] = MappingProxyType(
    {
        formulation.name: formulation
        for formulation in (
            SLIDING,
            DIRECT,
            ONEDNN,
            OVERHANG,
            BY_GROUP,
            PATCHES,
            COL2IM,
            SHIFTS,
            LANES,
            ROW_SCAN,
            EINSUM,
            TOEPLITZ,
            SPARSE,
            CIRCULANT,
            FFT,
            OVERLAP_ADD,
            WINOGRAD,
            PHASES,
            SPACE_TO_DEPTH,
        )
    }
)

__all__ = ["FORMULATIONS", "Formulation"]
