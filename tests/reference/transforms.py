"""Trajectories of PyTorch's optimizers, to which those of the plugin `baselines` are held.

    python tests/reference/transforms.py plugins/baselines/tests/reference

Wants PyTorch 2.11 and safetensors; writes `transforms.safetensors`: the gradients of 20 steps and the weights they begin
from, of two unlike shapes, and the weights behind each step, `CASE.a` and `CASE.b`, for each case below. All in float64.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

STEPS = 20
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
START = {"a": torch.randn(3, 2), "b": torch.randn(4)}
GRADIENTS = {name: torch.randn(STEPS, *w.shape) for name, w in START.items()}


def trajectory(optimizer, clip=lambda weights: None, shown=lambda network: network):
    """The weights behind each step, or those of what is shown of the network."""
    network = torch.nn.ParameterDict({name: w.clone() for name, w in START.items()})
    seen = shown(network)
    optimizer = optimizer(network.values())
    steps = []
    for step in range(STEPS):
        for name, weight in network.items():
            weight.grad = GRADIENTS[name][step].clone()
        clip(network.values())
        optimizer.step()
        if seen is not network:
            seen.update_parameters(network)
        weights = getattr(seen, "module", seen)
        steps.append({name: w.detach().clone() for name, w in weights.items()})
    return {name: torch.stack([step[name] for step in steps]) for name in START}


def averaged(network):
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.8))


def sgd(weights):
    return SGD(weights, lr=0.1)


CASES = {
    "sgd": trajectory(sgd),
    "sgd-momentum": trajectory(lambda w: SGD(w, lr=0.1, momentum=0.9, weight_decay=0.05)),
    "sgd-nesterov": trajectory(lambda w: SGD(w, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05)),
    "adam": trajectory(lambda w: Adam(w, lr=0.05)),
    "adam-decay": trajectory(lambda w: Adam(w, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    "adamw": trajectory(lambda w: AdamW(w)),
    "adamw-decay": trajectory(lambda w: AdamW(w, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    "rmsprop": trajectory(lambda w: RMSprop(w)),
    "rmsprop-momentum": trajectory(lambda w: RMSprop(w, lr=0.02, alpha=0.9, eps=1e-3, momentum=0.7, weight_decay=0.1)),
    "rmsprop-centered": trajectory(lambda w: RMSprop(w, lr=0.02, alpha=0.9, momentum=0.7, centered=True)),
    "adagrad": trajectory(lambda w: Adagrad(w)),
    "adagrad-decay": trajectory(
        lambda w: Adagrad(w, lr=0.2, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-3)
    ),
    "clip-norm": trajectory(sgd, lambda weights: clip_grad_norm_(weights, 2.5)),
    "clip-value": trajectory(sgd, lambda weights: clip_grad_value_(weights, 0.8)),
    "weight-decay": trajectory(lambda w: RMSprop(w, lr=0.02, weight_decay=0.3)),
    "ema": trajectory(sgd, shown=averaged),
}

tensors = {f"start.{name}": w for name, w in START.items()}
tensors |= {f"gradients.{name}": g for name, g in GRADIENTS.items()}
tensors |= {f"{case}.{name}": steps for case, weights in CASES.items() for name, steps in weights.items()}
save_file(tensors, pathlib.Path(sys.argv[1]) / "transforms.safetensors")
