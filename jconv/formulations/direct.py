"""XLA's own convolution, `lax.conv_general_dilated`: what every other formulation is compared with.

    y[n, p, o] = Σ_{t,c} x[n, (s·p + d·t − lo) / e, c] · kernel[t, c, o]

Cost: the definition's; what XLA and its libraries keep between is theirs.
"""

from jconv.costs import direct_cost
from jconv.formulations._base import Formulation, always
from jconv.formulations._xla import xla_conv

DIRECT = Formulation("direct", "XLA's own convolution", xla_conv, always, direct_cost)
