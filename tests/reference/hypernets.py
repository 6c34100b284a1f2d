"""Weights that networks of PyTorch make chunk by chunk, to which the hypernets of the plugin `baselines` are held.

    python tests/reference/hypernets.py plugins/baselines/tests/reference

Wants PyTorch 2.11 and safetensors; writes `hypernets.safetensors`: own weights `own.NAME` of a chunked hypernet, and
what it makes of them, `made.layer.weight` `[4, 3]` and `made.layer.bias` `[4]`, in chunks of 5. All in float64.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch import nn

CHUNK, EMBEDDING, HIDDEN = 5, 3, 6
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
layer = nn.Linear(3, 4)
numbers = sum(w.numel() for w in layer.parameters())
z = nn.Embedding(-(-numbers // CHUNK), EMBEDDING)
hidden, head = nn.Linear(EMBEDDING, HIDDEN), nn.Linear(HIDDEN, CHUNK)

chunks = nn.Sequential(z, hidden, nn.Tanh(), head)(torch.arange(z.num_embeddings))
weight, bias = chunks.flatten()[:numbers].split([12, 4])
# What goes into a unit: 3 numbers, and of a bias, as a weight of one axis, all 4.
made = {"layer.weight": weight.view(4, 3) / 3**0.5, "layer.bias": bias / 4**0.5}

own = {"z": z.weight}
for name, module in (("hidden", hidden), ("head", head)):
    own |= {f"{name}.{part}": w for part, w in module.named_parameters()}
tensors = {f"own.{name}": w.detach().clone() for name, w in own.items()}
tensors |= {f"made.{name}": w.detach().clone() for name, w in made.items()}
save_file(tensors, pathlib.Path(sys.argv[1]) / "hypernets.safetensors")
