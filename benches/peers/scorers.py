"""Scores of an untrained network of NAS-Bench-201, each as plain PyTorch computes it by itself: `params 3` answers with the
seconds of CPU of one of three times on one thread, in which the network is built anew.

params     the number of parameters
macs       the multiplications of one sample, counted by hooks in a pass over it
grad-norm  the norm of the loss's gradient
naswot     log |det K| of the units that are on for both samples, or off for both (Mellor et al. 2021)
snip       the sum of |w dL/dw| (Lee et al. 2019)
synflow    the sum of |w dR/dw| in double precision (Tanaka et al. 2020)

The network is the benchmark's own: five cells in each of three stages, here with a convolution of 3x3 on every edge.
"""

import sys
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy

torch.set_num_threads(1)
torch.manual_seed(0)
x, y = torch.rand(32, 3, 32, 32), torch.randint(10, (32,))
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


def block(into, out, stride=1):
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(into, out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out),
    )


class Cell(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.edges = nn.ModuleList(block(width, width) for _ in EDGES)

    def forward(self, x):
        nodes = [x]
        for node in (1, 2, 3):
            incoming = [
                layer(nodes[start]) for layer, (start, end) in zip(self.edges, EDGES) if end == node
            ]
            nodes.append(sum(incoming))
        return nodes[-1]


class Reduction(nn.Module):
    def __init__(self, into, out):
        super().__init__()
        self.first, self.second = block(into, out, stride=2), block(out, out)
        self.aside = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(into, out, 1, bias=False))

    def forward(self, x):
        return self.second(self.first(x)) + self.aside(x)


def build():
    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)]
    for stage, width in enumerate((16, 32, 64)):
        if stage:
            layers.append(Reduction(width // 2, width))
        layers += [Cell(width) for _ in range(5)]
    head = [nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*layers, *head)


def gradients(net):
    weights = list(net.parameters())
    return weights, torch.autograd.grad(cross_entropy(net(x), y), weights)


def params(net):
    return sum(w.numel() for w in net.parameters())


def macs(net):
    total = 0

    def count(layer, _, out):
        nonlocal total
        places = out[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
        total += layer.weight.numel() * places

    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    with torch.no_grad():
        net.eval()(x[:1])
    return total


def grad_norm(net):
    _, slopes = gradients(net)
    return torch.sqrt(sum(g.double().square().sum() for g in slopes)).item()


def naswot(net):
    agreement = torch.zeros(len(x), len(x))

    def count(_, __, out):
        on = (out > 0).flatten(1).float()
        agreement.add_(on @ on.T + (1 - on) @ (1 - on).T)

    for layer in net.modules():
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(count)
    with torch.no_grad():
        net(x)
    return torch.linalg.slogdet(agreement.double())[1].item()


def snip(net):
    weights, slopes = gradients(net)
    ranked = [(w, g) for w, g in zip(weights, slopes) if w.dim() > 1]
    return sum((w * g).abs().sum() for w, g in ranked).item()


def synflow(net):
    net = net.double().eval()
    for tensor in net.state_dict().values():
        tensor.abs_()
    weights = [w for w in net.parameters() if w.dim() > 1]
    slopes = torch.autograd.grad(net(torch.ones_like(x[:1], dtype=torch.float64)).sum(), weights)
    return sum((w * g).abs().sum() for w, g in zip(weights, slopes)).item()


for line in sys.stdin:
    what, times = line.split()
    score = globals()[what.replace("-", "_")]
    start = time.thread_time()
    for _ in range(int(times)):
        score(build())
    print((time.thread_time() - start) / int(times), flush=True)
