"""What PyTorch's initializers draw from, to which those of the plugin `baselines` are held.

    python tests/reference/initializers.py plugins/baselines/tests/reference

Wants PyTorch 2.11 and safetensors; writes `initializers.safetensors`: for each case and each shape, `[40, 30]` and
`[8, 5, 3, 3]`, the bounds of a uniform distribution, or mean and standard deviation of a normal one, in float64.
"""

import pathlib
import sys
from unittest.mock import patch

import torch
from safetensors.torch import save_file
from torch.nn import init

SIZES = {"linear": (40, 30), "conv": (8, 5, 3, 3)}
CASES = {
    "glorot": lambda w: init.xavier_uniform_(w),
    "glorot-gain": lambda w: init.xavier_uniform_(w, gain=init.calculate_gain("tanh")),
    "glorot-normal": lambda w: init.xavier_normal_(w),
    "kaiming": lambda w: init.kaiming_normal_(w, nonlinearity="relu"),
    "kaiming-linear": lambda w: init.kaiming_normal_(w, nonlinearity="linear"),
    "kaiming-uniform": lambda w: init.kaiming_uniform_(w, nonlinearity="relu"),
}


def drawn_from(initializer, size):
    """The two numbers that it hands to libtorch's generator."""
    with patch.object(torch.Tensor, "uniform_") as uniform, patch.object(torch.Tensor, "normal_") as normal:
        initializer(torch.empty(size))
    (call,) = uniform.mock_calls + normal.mock_calls
    return torch.tensor(call.args, dtype=torch.float64)


tensors = {f"{case}.{kind}": drawn_from(made, size) for case, made in CASES.items() for kind, size in SIZES.items()}
save_file(tensors, pathlib.Path(sys.argv[1]) / "initializers.safetensors")
