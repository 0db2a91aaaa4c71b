"""Pictures of convolutions, from the same geometry that computes: matplotlib figures, light and dark, still and moving.

Every function returns a `Picture`: save it as SVG, PNG or GIF, or leave it as the last line of a notebook's cell.
`jconv draw --help` lists them for the command line.
"""

from jconv.draw._picture import Picture
from jconv.draw.arithmetic import arithmetic
from jconv.draw.budget import budget
from jconv.draw.checkerboard import checkerboard
from jconv.draw.explanation import explanation
from jconv.draw.flip import flip
from jconv.draw.gradients import gradients
from jconv.draw.matrices import matrix, spectrum
from jconv.draw.photographs import filters, separation
from jconv.draw.products import products
from jconv.draw.receptive import coverage, effective, receptive
from jconv.draw.volumes import volumes

__all__ = [
    "Picture",
    "arithmetic",
    "budget",
    "checkerboard",
    "coverage",
    "effective",
    "explanation",
    "filters",
    "flip",
    "gradients",
    "matrix",
    "products",
    "receptive",
    "separation",
    "spectrum",
    "volumes",
]
