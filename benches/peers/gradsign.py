"""GradSign of an untrained network of NAS-Bench-201 as plain PyTorch computes it, sample after sample: `33333 3 16` answers
with the seconds of CPU of one of three times on one thread, for 16 images and the cell with these operations on its edges,
in the numbers of the benchmark's table. The network is there already; it has one cell in each of three stages.
"""

import sys
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy

torch.set_num_threads(1)
torch.manual_seed(0)
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


def block(into, out, kernel, stride=1):
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(into, out, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out),
    )


class Zero(nn.Module):
    def forward(self, x):
        return x.mul(0.0)


def operation(number, width):
    return [
        Zero,
        nn.Identity,
        lambda: block(width, width, 1),
        lambda: block(width, width, 3),
        lambda: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
    ][number]()


class Cell(nn.Module):
    def __init__(self, operations, width):
        super().__init__()
        self.edges = nn.ModuleList(operation(number, width) for number in operations)

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
        self.first, self.second = block(into, out, 3, stride=2), block(out, out, 3)
        self.aside = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(into, out, 1, bias=False))

    def forward(self, x):
        return self.second(self.first(x)) + self.aside(x)


def build(operations):
    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)]
    for stage, width in enumerate((16, 32, 64)):
        if stage:
            layers.append(Reduction(width // 2, width))
        layers.append(Cell(operations, width))
    head = [nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*layers, *head)


def gradsign(net, x, y):
    counted = [m.weight for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    sums = [torch.zeros_like(w) for w in counted]
    for i in range(len(x)):
        loss = cross_entropy(net(x[i : i + 1]), y[i : i + 1])
        slopes = torch.autograd.grad(loss, counted, allow_unused=True)
        for total, slope in zip(sums, slopes):
            if slope is not None:
                total.add_(slope.sign_())
    return sum(total.abs().sum() for total in sums).item()


nets = {}
for line in sys.stdin:
    cell, times, samples = line.split()
    if cell not in nets:
        nets[cell] = build([int(digit) for digit in cell])
    x, y = torch.rand(int(samples), 3, 32, 32), torch.randint(10, (int(samples),))
    start = time.thread_time()
    for _ in range(int(times)):
        gradsign(nets[cell], x, y)
    print((time.thread_time() - start) / int(times), flush=True)
