"""Signs of per-sample gradients as `torch.func` counts them, to which the plugin `gradsign` is held.

    python tests/reference/gradsign.py plugins/gradsign/tests/reference

Wants PyTorch 2.11 and safetensors; writes `convolution.safetensors`: a batch `x` and labels `y`; `weight.PATH`, the weights
of a network without norms over the batch, by the paths that they have in pleach; `signs.PATH`, for each number of the
weights that count the sum over samples of the signs of its gradient; `score`, the sum of their sizes. In float64.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)

net = nn.Sequential()
for name, layer in {
    "conv-1": nn.Conv2d(3, 6, 3, padding=1),
    "relu-1": nn.ReLU(),
    "conv-2": nn.Conv2d(6, 8, 3, stride=2, padding=1),
    "relu-2": nn.ReLU(),
    "pool": nn.AdaptiveAvgPool2d(1),
    "flatten": nn.Flatten(),
    "linear": nn.Linear(8, 4),
}.items():
    net.add_module(name, layer)

x, y = torch.randn(12, 3, 8, 8), torch.randint(4, (12,))
weights = dict(net.named_parameters())


def loss(weights, x, y):
    return cross_entropy(functional_call(net, weights, x[None]), y[None])


slopes = vmap(grad(loss), in_dims=(None, 0, 0))(weights, x, y)
slopes = {path: slope.detach() for path, slope in slopes.items() if path.endswith("weight")}
# Nothing so small that another order of summation could turn it round.
assert all((slope.abs()[slope != 0] > 1e-12).all() for slope in slopes.values())
signs = {path: slope.sign().sum(0) for path, slope in slopes.items()}
out = {
    "x": x,
    "y": y,
    "score": sum(sums.abs().sum() for sums in signs.values()),
    **{f"weight.{path}": weight.detach() for path, weight in weights.items()},
    **{f"signs.{path}": sums for path, sums in signs.items()},
}
folder = pathlib.Path(sys.argv[1])
save_file({name: t.contiguous() for name, t in out.items()}, folder / "convolution.safetensors")
