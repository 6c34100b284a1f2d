"""Optuna: trials that do nothing, of six decisions, in a storage that lasts; each line asks for one figure in seconds."""

import sys
import tempfile
import time
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
folder = tempfile.TemporaryDirectory()
count = 0


def storage(kind, name):
    path = Path(folder.name) / name
    return f"sqlite:///{path}" if kind == "sqlite" else JournalStorage(JournalFileBackend(str(path)))


def nothing(trial):
    return sum(trial.suggest_categorical(f"op{i}", [0, 1]) for i in range(6)) / 6


def search(kind, name, trials):
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=storage(kind, name), study_name="s", sampler=sampler)
    start = time.process_time()
    study.optimize(nothing, n_trials=trials)
    return (time.process_time() - start) / trials


def reopen(trials):
    name = f"reopened-{trials}"
    if not (Path(folder.name) / name).exists():
        search("journal", name, trials)
    start = time.process_time()
    study = optuna.load_study(storage=storage("journal", name), study_name="s")
    assert len(study.get_trials(deepcopy=False)) == trials
    return time.process_time() - start


for line in sys.stdin:
    what, trials = line.split()
    count += 1
    took = reopen(int(trials)) if what == "reopen" else search(what, f"{what}-{count}", int(trials))
    print(took, flush=True)
