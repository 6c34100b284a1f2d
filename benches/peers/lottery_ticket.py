"""Rounds of finding a lottery ticket in LeNet-300-100, in plain PyTorch: `round` answers with the seconds of CPU of one.

A round trains for 500 steps of Adam with gradients and weights masked, evaluates, prunes a fifth of what is alive of each
layer, a tenth of the last, and rewinds.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

STEPS, RATES = 500, (0.2, 0.2, 0.1)
torch.set_num_threads(1)
torch.manual_seed(0)
x, y = torch.rand(60, 784), torch.randint(10, (60,))
val_x, val_y = torch.rand(1000, 784), torch.randint(10, (1000,))
net = nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
initial = {name: t.clone() for name, t in net.state_dict().items()}
weights = [layer.weight for layer in net if isinstance(layer, nn.Linear)]
masks = [torch.ones_like(w) for w in weights]


def train():
    optimizer = torch.optim.Adam(net.parameters(), lr=0.0012)
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        for w, mask in zip(weights, masks):
            w.grad.mul_(mask)
        optimizer.step()
        with torch.no_grad():
            for w, mask in zip(weights, masks):
                w.mul_(mask)


@torch.no_grad()
def evaluate():
    return (net(val_x).argmax(-1) == val_y).double().mean().item()


@torch.no_grad()
def prune():
    for w, mask, rate in zip(weights, masks, RATES):
        gone = round(rate * mask.sum().item())
        size = w.abs().masked_fill(mask == 0, torch.inf).flatten()
        mask.view(-1)[size.argsort(stable=True)[:gone]] = 0


@torch.no_grad()
def rewind():
    net.load_state_dict(initial)
    for w, mask in zip(weights, masks):
        w.mul_(mask)


for _ in sys.stdin:
    start = time.thread_time()
    train()
    evaluate()
    prune()
    rewind()
    print(time.thread_time() - start, flush=True)
