"""A network of NAS-Bench-201's kind, as its authors write it: `pass 3` answers with the seconds of CPU of one pass forward
and backward."""

import sys
import time

import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(0)
x, y = torch.rand(32, 3, 32, 32), torch.randint(10, (32,))


def conv(into, out, kernel, stride=1):
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(into, out, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out),
    )


class Cell(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.second = conv(width, width, 3), conv(width, width, 1)
        self.last = conv(width, width, 3)
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x):
        a = self.first(x)
        b = self.second(a) + x
        return self.last(b) + self.pool(a) + x


class Narrower(nn.Module):
    def __init__(self, into, out):
        super().__init__()
        self.first, self.second = conv(into, out, 3, stride=2), conv(out, out, 3)
        self.aside = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(into, out, 1, bias=False))

    def forward(self, x):
        return self.second(self.first(x)) + self.aside(x)


net = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1, bias=False),
    nn.BatchNorm2d(16),
    Cell(16),
    Narrower(16, 32),
    Cell(32),
    Narrower(32, 64),
    Cell(64),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(64, 10),
)
criterion = nn.CrossEntropyLoss()

for line in sys.stdin:
    _, passes = line.split()
    start = time.thread_time()
    for _ in range(int(passes)):
        net.zero_grad()
        criterion(net(x), y).backward()
    print((time.thread_time() - start) / int(passes), flush=True)
