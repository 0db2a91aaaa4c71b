"""What an experiment's YAML may say: pydantic models, the only truth about configs. No JAX here."""

import typing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from jconv import _timing

FormulationName = Literal[
    "sliding",
    "direct",
    "onednn",
    "overhang",
    "by_group",
    "patches",
    "col2im",
    "shifts",
    "lanes",
    "row_scan",
    "einsum",
    "toeplitz",
    "sparse",
    "circulant",
    "fft",
    "overlap_add",
    "winograd",
    "phases",
    "space_to_depth",
    "auto",
]
REFERENCE: FormulationName = "direct"
"""XLA's own convolution, which all times are relative to."""
Target = Literal["v5e", "v6e", "v5p"]
TARGETS: tuple[str, ...] = typing.get_args(Target)
"""Chips whose compiler libtpu brings."""
Peer = Literal["torch"]
PEERS: tuple[str, ...] = typing.get_args(Peer)
"""Contenders of other libraries."""
Dtype = Literal["float32", "bfloat16", "float16", "float64"]
Transform = Literal[
    "forward",
    "input_gradient",
    "kernel_gradient",
    "gradients",
    "forward_backward",
    "jvp",
    "vmap",
    "vmapped_kernels",
    "ensemble",
    "per_example_gradients",
    "scan",
]
PaddingWord = Literal["VALID", "SAME", "SAME_LOWER", "FULL", "CAUSAL"]
PaddingMode = Literal["zeros", "circular", "reflect", "edge"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]
Positive = Annotated[int, Field(ge=1, le=10**12)]
Each = Positive | Annotated[list[Positive], Field(min_length=1, max_length=4)]
Pad = Annotated[int, Field(ge=-(10**12), le=10**12)]
Padding = (
    PaddingWord
    | Pad
    | Annotated[list[Pad | Annotated[list[Pad], Field(min_length=2, max_length=2)]], Field(min_length=1, max_length=4)]
)
Formulations = Literal["all"] | Annotated[list[FormulationName], Field(min_length=1)]
Side = Annotated[int, Field(ge=1, le=1024, description="The picture's height and width, in pixels.")]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Measure(_Model):
    """How the cases of a problem are timed."""

    rounds: Annotated[int, Field(ge=3, le=10_000, description="The most interleaved rounds, so samples per case.")] = (
        _timing.ROUNDS
    )
    seconds: Annotated[float, Field(gt=0, le=3600, description="A case leaves the rounds after this long.")] = (
        _timing.SECONDS
    )
    precision: Annotated[
        float | None,
        Field(gt=0, lt=1, description="It leaves once its interval is this narrow, relative to the ratio."),
    ] = _timing.PRECISION
    slow: Annotated[float, Field(gt=0, le=3600, description="A call over this many seconds is timed once.")] = 20.0
    confidence: Annotated[float, Field(gt=0.5, lt=1, description="Coverage of the bootstrap intervals.")] = (
        _timing.CONFIDENCE
    )
    resamples: Annotated[int, Field(ge=100, le=100_000, description="Bootstrap resamples.")] = _timing.RESAMPLES
    floor: Annotated[float, Field(ge=0, lt=1, description="Differences below this share are no differences.")] = (
        _timing.FLOOR
    )


class Limits(_Model):
    """What a case may use. In the run's own process (`isolate: none`) nothing can be limited."""

    isolate: Annotated[Literal["none", "case"], Field(description="'case': a child process for each case.")] = "none"
    seconds: Annotated[float, Field(gt=0, le=86_400, description="From a case's start to its first result.")] = 300.0
    memory_mib: Annotated[int, Field(ge=64, le=2**24, description="Resident memory of the child.")] = 8192


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
    """One network layer; as many space axes as its window has, two where it is an int."""

    name: Name
    in_channels: Positive
    out_channels: Positive
    window: Annotated[Each, Field(description="Taps, one int per space axis.")]
    size: Annotated[Each | None, Field(description="The input's space size.")] = None
    batch: Annotated[Positive | None, Field(description="Overrides the experiment's.")] = None
    stride: Each = 1
    padding: Padding = "SAME"
    padding_mode: PaddingMode = "zeros"
    dilation: Each = 1
    groups: Positive = 1
    transposed: bool = False
    output_padding: int | Annotated[list[int], Field(min_length=1, max_length=4)] = 0

    @field_validator("groups")
    @classmethod
    def _split(cls, groups: int, info: ValidationInfo) -> int:
        """Refuse groups that do not split the channels, beside whatever else is wrong; a scaling may set these."""
        if (info.context or {}).get("axis") == "channels":
            return groups
        channels = [info.data[key] for key in ("in_channels", "out_channels") if key in info.data]
        if any(count % groups for count in channels):
            words = " and ".join(map(str, channels))
            raise PydanticCustomError("groups", "groups must split the channels evenly, {words}", {"words": words})
        return groups


class Experiment(_Model):
    """What every kind of experiment has."""

    schema_version: Literal[1]
    kind: Any
    name: Name
    extends: Annotated[str | list[str], Field(description="Configs below this one, relative to it.")] = []
    sweep: Annotated[dict[str, Any], Field(description="Values for a key: [1, 2], or {start, end, multiplier}.")] = {}
    zip: Annotated[dict[str, Any] | list[dict[str, Any]], Field(description="Lists taken side by side.")] = []
    exclude: Annotated[dict[str, Any] | list[dict[str, Any]], Field(description="Combinations to leave out.")] = []
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    precision: Annotated[
        Literal["default", "high", "highest"], Field(description="Of the products, as for lax.dot_general.")
    ] = "highest"
    formulations: Formulations = "all"
    measure: Measure = Measure()
    limits: Limits = Limits()

    def contenders(self) -> tuple[str, ...]:
        """Return the names of the formulations to run, in the order of the table."""
        known = typing.get_args(FormulationName)
        return known if self.formulations == "all" else tuple(name for name in known if name in self.formulations)


class Photograph(Experiment):
    """Filters and layers over a photograph, through every formulation: checked, timed, drawn."""

    kind: Literal["photograph"]
    input: Annotated[
        str, Field(min_length=1, description="'photo' for matplotlib's own, or an image file beside the config.")
    ] = "photo"
    size: Side = 64
    batch: Positive = 1
    gradient: Annotated[bool, Field(description="Check and time both gradients too.")] = True
    filters: list[Filter] = []
    layers: list[Layer] = []


class _Layers(Experiment):
    layers: Annotated[
        Annotated[str, Field(min_length=1)] | Annotated[list[Layer], Field(min_length=1)],
        Field(description="A shipped network such as resnet50, a file of layers beside the config, or layers."),
    ]
    size: Annotated[Each, Field(description="The input's space size of layers that have none.")] = 32
    batch: Positive = 1
    dtypes: Annotated[list[Dtype], Field(min_length=1)] = ["float32"]
    transforms: Annotated[list[Transform], Field(min_length=1)] = ["forward"]
    networks: Annotated[int, Field(ge=1, le=1024, description="How many kernels a vmap maps over.")] = 4


class Agreement(_Layers):
    """Every formulation against float64: errors, and whether results repeat bit for bit."""

    kind: Literal["agreement"]
    values: Annotated[
        Literal["normal", "integers"], Field(description="Draws from a normal law, or whole numbers from −4 to 4.")
    ] = "normal"


class Timing(_Layers):
    """Every formulation against XLA's own convolution: time, compilation, memory."""

    kind: Literal["timing"]
    peers: Annotated[list[Peer], Field(description="Other libraries on the same work.")] = []
    check: Annotated[bool, Field(description="Compare each result before it is timed.")] = True
    roofline: Annotated[bool, Field(description="Measure a matrix product and a copy first.")] = True


class Aot(_Layers):
    """Every formulation through the TPU's compiler, on a machine without a TPU: bytes, memory, its own estimate."""

    kind: Literal["aot"]
    dtypes: Annotated[list[Dtype], Field(min_length=1)] = ["float32", "bfloat16"]
    transforms: Annotated[list[Transform], Field(min_length=1)] = ["forward", "gradients"]
    target: Annotated[Target, Field(description="The chip that is compiled for.")] = "v5e"


class Scaling(Experiment):
    """How time grows along one axis: exponents, and where formulations cross over."""

    kind: Literal["scaling"]
    layer: Layer
    axis: Literal["image", "window", "channels", "batch", "dilation"]
    values: Annotated[list[Positive], Field(min_length=3)]
    dtypes: Annotated[list[Dtype], Field(min_length=1)] = ["float32"]
    transforms: Annotated[list[Transform], Field(min_length=1)] = ["forward"]
    networks: Annotated[int, Field(ge=1, le=1024)] = 4
    peers: list[Peer] = []
    check: bool = True


class Training(Experiment):
    """One network trained once per formulation, from the same seeds, on real data."""

    kind: Literal["training"]
    model: Literal["lenet", "resnet", "mobilenet", "convnext", "unet", "wavenet", "nin", "inception", "fcn"]
    data: Annotated[
        str, Field(min_length=1, description="'digits', 'mnist', or a folder or .npz beside the config.")
    ] = "digits"
    width: Annotated[float, Field(gt=0, le=8, description="Multiplies the channels.")] = 1.0
    resolution: Annotated[float, Field(gt=0, le=4, description="Multiplies the pictures' sides.")] = 1.0
    dropout: Fraction = 0.0
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 10
    batch_size: Positive = 64
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    examples: Annotated[int | None, Field(ge=2, description="Train on the first so many only.")] = None
    seeds: Annotated[list[Annotated[int, Field(ge=0, le=2**32 - 1)]], Field(min_length=1)] = [0]


class StackLayer(_Model):
    """One layer of a stack, as far as sizes go."""

    name: Name
    window: Each
    stride: Each = 1
    padding: Padding = "VALID"
    dilation: Each = 1
    transposed: bool = False
    output_padding: int | Annotated[list[int], Field(min_length=1, max_length=4)] = 0
    channels: Annotated[Positive | None, Field(description="Output channels; those of the input by default.")] = None
    groups: Positive = 1


class Arithmetic(Experiment):
    """Sizes, receptive fields and overlap of a stack of layers; nothing is computed on arrays."""

    kind: Literal["arithmetic"]
    size: Annotated[Each, Field(description="The input's space size.")]
    channels: Positive = 1
    layers: Annotated[list[StackLayer], Field(min_length=1)]


class Drawing(_Model):
    """One figure of a gallery."""

    name: Name
    figure: Annotated[str, Field(min_length=1, description="What to draw, as `jconv draw` lists it.")]
    options: Annotated[dict[str, Any], Field(description="Its options, as `jconv draw FIGURE --help` lists them.")] = {}
    still: Annotated[bool, Field(description="One step of a moving figure, not all.")] = False


class Gallery(Experiment):
    """Figures of convolutions, in light and dark."""

    kind: Literal["gallery"]
    figures: Annotated[list[Drawing], Field(min_length=1)]
    themes: Annotated[list[Literal["light", "dark"]], Field(min_length=1)] = ["light", "dark"]
    format: Annotated[Literal["svg", "png"], Field(description="Of figures that stand still; others are GIFs.")] = "svg"
    seconds: Annotated[float, Field(ge=0.02, le=60, description="How long a GIF shows a step.")] = 0.7
    scale: Annotated[float, Field(ge=0.5, le=8, description="Pixels of a PNG or GIF to each of a screen's.")] = 1.0


KINDS: dict[str, type[Experiment]] = {
    "photograph": Photograph,
    "agreement": Agreement,
    "timing": Timing,
    "scaling": Scaling,
    "training": Training,
    "arithmetic": Arithmetic,
    "aot": Aot,
    "gallery": Gallery,
}


class AnyExperiment(RootModel[Any]):
    """One experiment of any kind: what `jconv schema` describes."""

    root: Annotated[
        Photograph | Agreement | Timing | Scaling | Training | Arithmetic | Aot | Gallery, Field(discriminator="kind")
    ]
