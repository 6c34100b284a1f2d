"""Scores of weights and of networks as plain PyTorch counts them, to which the scorers and pruners of the plugin
`baselines` are held.

    python tests/reference/scorers.py plugins/baselines/tests/reference

Wants PyTorch 2.11 and safetensors; writes `scorers-perceptron.safetensors` and `scorers-convolution.safetensors`, each for
one network: a batch `x` and labels `y`; `weight.PATH`, weights and running statistics by the paths that they have in
pleach; `snip.PATH` and `synflow.PATH`, scores of weights; `score.NAME`, scores of the network. In float32, synflow in
float64.
"""

import copy
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cross_entropy

torch.manual_seed(0)


def perceptron():
    return {
        "first": nn.Linear(8, 16),
        "relu-1": nn.ReLU(),
        "second": nn.Linear(16, 12),
        "relu-2": nn.ReLU(),
        "third": nn.Linear(12, 4),
    }


def convolution():
    return {
        "conv-1": nn.Conv2d(3, 6, 3, padding=1),
        "norm-1": nn.BatchNorm2d(6),
        "relu-1": nn.ReLU(),
        "conv-2": nn.Conv2d(6, 8, 3, stride=2, padding=1),
        "norm-2": nn.BatchNorm2d(8),
        "relu-2": nn.ReLU(),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "linear": nn.Linear(8, 4),
    }


def path(name):
    return name.replace("running_", "")


def on_and_off(net, x):
    """Mellor et al. 2021: in how many units two samples agree."""
    agreement = torch.zeros(len(x), len(x), dtype=torch.float64)
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            on = (x > 0).flatten(1).double()
            agreement += on @ on.T + (1 - on) @ (1 - on).T
    return torch.linalg.slogdet(agreement)[1]


def macs(net, x):
    total = 0
    for layer in net:
        y = layer(x[:1])
        if isinstance(layer, nn.Linear):
            total += layer.weight.numel()
        if isinstance(layer, nn.Conv2d):
            total += layer.weight.numel() * y[0, 0].numel()
        x = y
    return torch.tensor(float(total))


def synflow(layers, ranked, x):
    """Tanaka et al. 2020: scores of weights, by path."""
    layers = copy.deepcopy(layers).double().eval()
    for tensor in layers.state_dict().values():
        tensor.abs_()
    flow = torch.ones_like(x[:1], dtype=torch.float64)
    for layer in layers.values():
        flow = layer(flow)
    weights = dict(layers.named_parameters())
    gradients = torch.autograd.grad(flow.sum(), list(weights.values()))
    scores = {name: (w * g).abs().detach() for (name, w), g in zip(weights.items(), gradients)}
    return {name: scores[name] for name in ranked}


for kind, layers, size in (("perceptron", perceptron(), (12, 8)), ("convolution", convolution(), (10, 3, 8, 8))):
    x, y = torch.randn(size), torch.randint(4, size[:1])
    net = nn.Sequential(*layers.values())
    named = nn.ModuleDict(layers)
    for layer in net:
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, -1, 1)
            nn.init.normal_(layer.bias)
    # What pleach tags as `prunable`: the weights of linear layers and convolutions.
    ranked = {
        f"{name}.weight" for name, layer in layers.items() if isinstance(layer, (nn.Linear, nn.Conv2d))
    }
    kept = {
        f"weight.{path(name)}": tensor.clone()
        for name, tensor in named.state_dict().items()
        if tensor.is_floating_point()
    }
    tensors = {"x": x, "y": y, **kept}
    reset = copy.deepcopy(named.state_dict())
    loss = cross_entropy(net(x), y)
    weights = dict(named.named_parameters())
    gradients = dict(zip(weights, torch.autograd.grad(loss, list(weights.values()))))
    named.load_state_dict(reset)
    snip = {name: (weights[name] * gradients[name]).abs().detach() for name in ranked}
    flow = synflow(named, ranked, x)
    tensors |= {f"snip.{name}": score for name, score in snip.items()}
    tensors |= {f"synflow.{name}": score for name, score in flow.items()}
    tensors |= {
        "score.grad-norm": torch.cat([g.flatten() for g in gradients.values()]).norm(),
        "score.params": torch.tensor(float(sum(w.numel() for w in weights.values()))),
        "score.macs": macs(net, x),
        "score.naswot": on_and_off(net, x).detach(),
        "score.snip": sum(score.sum() for score in snip.values()),
        "score.synflow": sum(score.sum() for score in flow.values()),
    }
    file = pathlib.Path(sys.argv[1]) / f"scorers-{kind}.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
