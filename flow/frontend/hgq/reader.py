"""What each layer class of HGQ 1 and HGQ 2 means: one function a class, in one table."""

from __future__ import annotations

from collections.abc import Mapping

from flow.frontend.hgq import hgq1, hgq1_layers
from flow.frontend.hgq import linear as hgq_linear
from flow.frontend.hgq import lut as hgq_lut
from flow.frontend.hgq import merge as hgq_merge
from flow.frontend.hgq import tables as hgq_tables
from flow.frontend.hgq.classes import plain_kind
from flow.frontend.keras.config import LayerConfig
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Plan, Site, misfit
from flow.frontend.keras.steps import Obstacle


def plan_hgq(layer: LayerConfig, keras: int | None) -> Build:
    """What builds a layer of HGQ; Obstacle for an unknown class or setting."""
    kind = plain_kind(layer.kind)
    if kind not in PLANS:
        raise Obstacle(_advice(kind))
    build = PLANS[kind](Settings(kind, layer.config, keras))

    def guarded(site: Site) -> Built:
        try:
            return build(site)
        except (ValueError, IndexError) as error:
            # Arrays of shapes that do not meet, of which there are too many to look at each.
            raise misfit("the variables do not have the shapes of the layer", site) from error

    return guarded


def _advice(kind: str) -> str:
    for words, text in ADVICE:
        if any(word in kind for word in words):
            return text
    return f"no circuit stands for the class {kind[:60]} of HGQ; use QDense, QAdd or the like"


PLANS: Mapping[str, Plan] = {
    "QDense": hgq_linear.plan_dense,
    "QBatchNormDense": hgq_linear.plan_dense,
    "QEinsumDense": hgq_linear.plan_einsum_dense,
    "QEinsumDenseBatchnorm": hgq_linear.plan_einsum_dense,
    "QConv1D": hgq_linear.plan_conv,
    "QConv2D": hgq_linear.plan_conv,
    "QConv3D": hgq_linear.plan_conv,
    "QBatchNormalization": hgq_linear.plan_batch_norm,
    **dict.fromkeys(
        ("QAdd", "QAveragePow2", "QSubtract", "QMultiply", "QMaximum", "QMinimum"),
        hgq_merge.plan_merge,
    ),
    "QDot": hgq_merge.plan_product,
    "QEinsum": hgq_merge.plan_product,
    "QSum": hgq_merge.plan_sum,
    "QMeanPow2": hgq_merge.plan_sum,
    **dict.fromkeys(
        (
            f"Q{scope}{pool}Pooling{rank}D"
            for scope in ("", "Global")
            for pool in ("Max", "Average")
            for rank in (1, 2, 3)
        ),
        hgq_merge.plan_pool,
    ),
    "QUnaryFunctionLUT": hgq_lut.plan_unary,
    "QAffinedUnaryFunctionLUT": hgq_lut.plan_unary,
    "QSoftmax": hgq_lut.plan_softmax,
    "QDenseT": hgq_tables.plan_dense_table,
    "QEinsumDenseT": hgq_tables.plan_einsum_table,
    "QConvT1D": hgq_tables.plan_conv_table,
    "QConvT2D": hgq_tables.plan_conv_table,
    "Quantizer": hgq_merge.plan_quantiser,
    **hgq1.PLANS,
    **hgq1_layers.PLANS,
}
"""Every class that is read."""

ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Attention",), "attention as one layer is not read; build it of QEinsumDense and QEinsum"),
    (("RNN", "GRU", "SNN", "LIF"), "recurrent and spiking layers are not built; use QDense"),
)
"""What to say for well-known classes, by a part of the name."""
