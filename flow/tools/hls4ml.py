"""hls4ml as a function: a list of layers with exact types in, the text of an HLS project out."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from flow.errors import ToolFailed, ToolNotFound

INSTALL = "pip install 'flow[hls]'"
OWN = "FlowLayer"
"""The class of a layer that hls4ml has not: a call of one of our own C++ functions."""
HEADERS = ("flow_layers.h", "flow_constants.h")
"""The files of `nnet_utils/` in which those functions and their constants stand."""
STAMP = "flow"
"""What stands where hls4ml writes a random mark into the name of its library."""
_WARNS = "WARNING:"
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a C++ function of ours: the body of its configuration, the constants it takes."""

    function: str
    config: tuple[str, ...]
    constants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Integer:
    """The type of an integer."""

    bits: int
    signed: bool

    def text(self, fixed: bool = False) -> str:
        """As hls4ml spells it; as a number with a binary point at its end where `fixed`."""
        sign = "" if self.signed else "u"
        return f"ap_{sign}fixed<{self.bits},{self.bits}>" if fixed else f"ap_{sign}int<{self.bits}>"


@dataclass(frozen=True, slots=True)
class HlsLayer:
    """A layer for hls4ml: a class of its own, or OWN with a `call`.

    `types` are those of its result, weight, bias and accum. `attributes` are those that the class
    has; arrays among them are the values of weights.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    types: Mapping[str, Integer]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class HlsChoices:
    """What hls4ml is asked for: a backend, a reuse factor, a strategy, a part, a period in ns.

    `fixed` says that the layers of the backend take no integer types.
    """

    backend: str
    reuse: int = 1
    strategy: str = "latency"
    part: str | None = None
    period: float | None = None
    fixed: bool = False


def available() -> bool:
    """Whether hls4ml is here, without loading it."""
    return find_spec("hls4ml") is not None


def version() -> str:
    """Its number; ToolNotFound where it is not installed."""
    try:
        return metadata.version("hls4ml")
    except metadata.PackageNotFoundError:
        raise ToolNotFound("hls4ml is not installed", hint=INSTALL) from None


def write_project(
    name: str,
    layers: tuple[HlsLayer, ...],
    outputs: tuple[str, ...],
    choices: HlsChoices,
) -> tuple[dict[PurePosixPath, bytes], tuple[str, ...]]:
    """The files of the project of that name, and what hls4ml says of it, a line each.

    Equal arguments give equal files: random marks and the place of writing are taken out.
    ToolNotFound where hls4ml is missing, ToolFailed where it refuses the layers.
    """
    version()
    said = io.StringIO()
    with TemporaryDirectory(prefix="flow-hls-") as folder, _lock, _heard(said) as found:
        place = str(Path(folder) / "project")
        try:
            graph = _graph(name, layers, outputs, choices, place)
            graph.write()
        except Exception as error:  # hls4ml raises bare ones
            raise ToolFailed(
                f"hls4ml refuses the network: {error}", log=said.getvalue(),
                hint="try another --hls-backend or --strategy, or --reuse 1",
            ) from error  # fmt: skip
        stamp = str(graph.config.get_config_value("Stamp"))
        files = {
            PurePosixPath(path.relative_to(place).as_posix()): _clean(path, place, stamp)
            for path in sorted(Path(place).rglob("*"))
            if path.is_file() and not {"__pycache__", "pdfdocs", "gdb"} & set(path.parts)
        }
    printed = [line for line in said.getvalue().splitlines() if line.startswith(_WARNS)]
    lines = [*printed, *(str(warning.message) for warning in found)]
    told = (line.removeprefix(_WARNS).strip().replace(place, "hls") for line in lines)
    return files, tuple(dict.fromkeys(line for line in told if line))


@contextlib.contextmanager
def _heard(said: io.StringIO) -> Iterator[list[warnings.WarningMessage]]:
    """What is printed goes into `said`, warnings into the list."""
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        warnings.catch_warnings(record=True) as found,
    ):
        warnings.simplefilter("always", UserWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        yield found


def _clean(path: Path, place: str, stamp: str) -> bytes:
    """The file without the marks of this run."""
    content = path.read_bytes().replace(place.encode(), b".")
    # YAML quotes a stamp that looks like a number.
    for mark in (f"'{stamp}'", stamp):
        content = content.replace(mark.encode(), STAMP.encode())
    return content


def _graph(
    name: str,
    layers: tuple[HlsLayer, ...],
    outputs: tuple[str, ...],
    choices: HlsChoices,
    place: str,
) -> Any:
    """hls4ml's graph of the layers, all its passes applied."""
    from hls4ml.backends import get_backend
    from hls4ml.model.graph import ModelGraph

    backend = get_backend(choices.backend)
    _register(backend)
    config = backend.create_initial_config(
        **{
            key: value
            for key, value in (("part", choices.part), ("clock_period", choices.period))
            if value is not None
        }
    )
    config |= {
        "OutputDir": place,
        "ProjectName": name,
        "Backend": choices.backend,
        "HLSConfig": {
            "Model": {
                # Every type is given; this one stands where hls4ml asks for what nothing uses.
                "Precision": {"default": "ap_fixed<16,6>"},
                "ReuseFactor": choices.reuse,
                "Strategy": choices.strategy.capitalize(),
            },
            "LayerName": {
                layer.name: {
                    "Precision": {k: t.text(choices.fixed) for k, t in layer.types.items()}
                }
                for layer in layers
            },
        },
    }
    inputs = [layer.name for layer in layers if layer.kind == "InputLayer"]
    described = [_described(layer) for layer in layers]
    return ModelGraph.from_layer_list(config, described, inputs, list(outputs))


def _described(layer: HlsLayer) -> dict[str, Any]:
    """The layer as hls4ml's readers describe theirs."""
    found = {
        "class_name": layer.kind,
        "name": layer.name,
        "inputs": list(layer.inputs),
        **layer.attributes,
    }
    if layer.call is not None:
        found |= {
            "shape": list(layer.shape),
            "flow_function": layer.call.function,
            "flow_config": "".join(f"    {line}\n" for line in layer.call.config),
            "flow_constants": ", ".join(layer.call.constants),
        }
    return found


def _register(backend: Any) -> None:
    """Teach hls4ml the class OWN, and this backend how it is written."""
    from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
    from hls4ml.model.layers import Layer, layer_map, register_layer
    from hls4ml.model.optimizer import get_backend_passes

    if OWN not in layer_map:
        register_layer(OWN, type(OWN, (Layer,), {"initialize": _initialize}))
    own = layer_map[OWN]
    if any("flowlayer" in name for name in get_backend_passes(backend.name)):
        return

    class Config(LayerConfigTemplate):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(own)

        def format(self, node: Any) -> str:
            return f"struct config{node.index} {{\n{node.get_attr('flow_config')}}};\n"

    class Function(FunctionCallTemplate):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(own, include_header=[f"nnet_utils/{header}" for header in HEADERS])

        def format(self, node: Any) -> str:
            sources = [node.get_input_variable(source) for source in node.inputs]
            result = node.get_output_variable()
            types = ", ".join(v.type.name for v in (*sources, result))
            values = ", ".join(v.name for v in (*sources, result))
            constants = node.get_attr("flow_constants")
            more = f", {constants}" if constants else ""
            function = node.get_attr("flow_function")
            return f"flow::{function}<{types}, config{node.index}>({values}{more});"

    for template in (Config, Function):
        backend.register_template(template)


def _initialize(layer: Any) -> None:
    layer.add_output_variable(layer.get_attr("shape"))


def part_name(text: str) -> bool:
    """Whether a text may be the name of a part: letters, digits, `.`, `_` and `-`."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text) is not None
