"""Learning rates of PyTorch's schedulers, to which the schedules of the plugin `baselines` are held.

    python tests/reference/schedules.py plugins/baselines/tests/reference

Wants PyTorch 2.11 and safetensors; writes `schedules.safetensors`: the rate of each step in float64, for each case below.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, MultiStepLR, OneCycleLR, SequentialLR, StepLR


def rates(steps, schedule, lr=0.1):
    """The rate at step 0, 1, …, of an optimizer that begins with `lr`."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.5)
    scheduler = schedule(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return torch.tensor(found, dtype=torch.float64)


def one_cycle(steps, **given):
    """All steps: PyTorch has none behind them, so the last call of its scheduler is left out."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.5)
    scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=steps, **given)
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    return torch.tensor(found, dtype=torch.float64)


def warm_up(steps, then, **given):
    return lambda o: SequentialLR(o, [LinearLR(o, total_iters=steps, **given), then(o)], milestones=[steps])


CASES = {
    "cosine": rates(51, lambda o: CosineAnnealingLR(o, T_max=50, eta_min=0.01)),
    "step": rates(40, lambda o: StepLR(o, step_size=7, gamma=0.3)),
    "piecewise": rates(40, lambda o: MultiStepLR(o, milestones=[5, 12, 30], gamma=0.5)),
    "piecewise-schedules": rates(
        40, lambda o: SequentialLR(o, [StepLR(o, 3, 0.5), CosineAnnealingLR(o, T_max=25)], milestones=[15])
    ),
    "warm-up": rates(20, lambda o: LinearLR(o, total_iters=8)),
    "warm-up-cosine": rates(51, warm_up(10, lambda o: CosineAnnealingLR(o, T_max=40), start_factor=0.05)),
    "one-cycle": one_cycle(50),
    "one-cycle-given": one_cycle(37, pct_start=0.45, div_factor=10.0, final_div_factor=50.0),
    "one-cycle-short": one_cycle(3),
}

save_file(CASES, pathlib.Path(sys.argv[1]) / "schedules.safetensors")
