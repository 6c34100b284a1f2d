"""Masks of PyTorch's pruning in rounds, to which those of the plugin `lottery-ticket` are held.

    python tests/reference/tickets.py plugins/lottery-ticket/tests/reference

Wants PyTorch 2.11 and safetensors; writes `tickets.safetensors`: the weights `weight:NAME` of a perceptron
12 -> 10 -> 8 -> 5, and masks after 1, 2 and 3 rounds: `layer-ROUND:NAME` by `l1_unstructured`, a fifth of each layer and
a tenth of the last, and `global-ROUND:NAME` by `global_unstructured`, three tenths of all.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

SIZES = {"first": (12, 10), "second": (10, 8), "third": (8, 5)}
ROUNDS = 3


def layers():
    torch.manual_seed(0)
    return {name: nn.Linear(*size) for name, size in SIZES.items()}


def by_layer(layers):
    for name, layer in layers.items():
        prune.l1_unstructured(layer, "weight", amount=0.1 if name == "third" else 0.2)


def over_all(layers):
    weights = [(layer, "weight") for layer in layers.values()]
    prune.global_unstructured(weights, pruning_method=prune.L1Unstructured, amount=0.3)


tensors = {f"weight:{name}.weight": layer.weight.detach().clone() for name, layer in layers().items()}
for case, pruned in (("layer", by_layer), ("global", over_all)):
    net = layers()
    for round_ in range(1, ROUNDS + 1):
        pruned(net)
        tensors |= {f"{case}-{round_}:{name}.weight": layer.weight_mask.clone() for name, layer in net.items()}
save_file(tensors, pathlib.Path(sys.argv[1]) / "tickets.safetensors")
