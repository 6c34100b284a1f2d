"""Terms of losses as PyTorch counts them, to which the objectives of the plugin `baselines` are held.

    python tests/reference/objectives.py plugins/baselines/tests/reference

Wants PyTorch 2.11 and safetensors; writes `objectives.safetensors`: logits `network` and `teacher` `[6, 5]`, and for each
temperature the term of distillation and its gradient by the network's logits, `T.term` and `T.gradient`. All in float64.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.nn.functional import kl_div, log_softmax

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
network = (3 * torch.randn(6, 5)).requires_grad_()
teacher = 3 * torch.randn(6, 5)

tensors = {"network": network.detach(), "teacher": teacher}
for temperature in (1, 4):
    soft, target = log_softmax(network / temperature, -1), log_softmax(teacher / temperature, -1)
    term = kl_div(soft, target, reduction="batchmean", log_target=True) * temperature**2
    (gradient,) = torch.autograd.grad(term, network)
    tensors |= {f"{temperature}.term": term.detach(), f"{temperature}.gradient": gradient}
save_file(tensors, pathlib.Path(sys.argv[1]) / "objectives.safetensors")
