"""Epochs of graph networks as PyTorch Geometric has them: `gcn-usual 1 3 cora.npz` answers with the seconds of CPU of one
of three epochs on one thread.

64 hidden units, dropout 0.5, Adam, the whole graph in a batch. The usual way of GCN and GAT is that of PyTorch Geometric's
examples: dense features with dropout, edges as pairs, the normalised graph kept. Their best way: features as CSR, without
dropout on them, as there is none for CSR; GCN's graph as CSR, too. SAGE and GIN aggregate dense features over a graph in
CSR, which is the fastest that they have.
"""

import functools
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch_geometric.nn import GATConv, GCNConv, GINConv, SAGEConv

torch.manual_seed(0)


@functools.cache
def arrays(path):
    return dict(np.load(path))


def edges(path):
    one_way = torch.from_numpy(arrays(path)["edges"].astype("int64")).T
    return torch.cat([one_way, one_way.flip(0)], dim=1)


def graph_as_csr(path):
    between, nodes = edges(path), len(arrays(path)["y"])
    ones = torch.ones(between.shape[1])
    return torch.sparse_coo_tensor(between, ones, (nodes, nodes)).to_sparse_csr()


def sparse_features(path):
    of = arrays(path)
    indices = of["x_indices"].astype("int64")
    values = of.get("x_data", np.ones(len(indices), "float32")).astype("float32")
    parts = (of["x_indptr"].astype("int64"), indices, values)
    return torch.sparse_csr_tensor(*map(torch.from_numpy, parts), size=tuple(of["x_shape"].tolist()))


class Net(nn.Module):
    def __init__(self, first, second, act, input_dropout):
        super().__init__()
        self.first, self.second, self.act, self.input_dropout = first, second, act, input_dropout

    def forward(self, x, graph):
        if self.input_dropout:
            x = F.dropout(x, 0.5, self.training)
        x = self.act(self.first(x, graph))
        return self.second(F.dropout(x, 0.5, self.training), graph)


def perceptron(width, out):
    return nn.Sequential(nn.Linear(width, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, out))


def layers(kind, width, classes):
    if kind == "gcn":
        return GCNConv(width, 64, cached=True), GCNConv(64, classes, cached=True), F.relu
    if kind == "sage":
        return SAGEConv(width, 64), SAGEConv(64, classes), F.relu
    if kind == "gin":
        return GINConv(perceptron(width, 64)), GINConv(perceptron(64, classes)), F.relu
    return GATConv(width, 8, heads=8, dropout=0.5), GATConv(64, classes, dropout=0.5), F.elu


@functools.lru_cache(maxsize=1)
def epoch(kind, way, path):
    y = torch.from_numpy(arrays(path)["y"].astype("int64"))
    train = torch.cat([(y == c).nonzero()[:20, 0] for c in range(int(y.max()) + 1)])
    usual = way == "usual"
    x = sparse_features(path)
    if usual:
        x = x.to_dense()
    as_csr = kind in ("sage", "gin") or (kind == "gcn" and not usual)
    graph = graph_as_csr(path) if as_csr else edges(path)
    net = Net(*layers(kind, x.shape[1], int(y.max()) + 1), usual)
    adam = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=5e-4)

    def run():
        net.train()
        adam.zero_grad()
        F.cross_entropy(net(x, graph)[train], y[train]).backward()
        adam.step()

    return run


for line in sys.stdin:
    what, threads, times, path = line.split(maxsplit=3)
    kind, way = what.split("-")
    run = epoch(kind, way, path.strip())
    torch.set_num_threads(int(threads))
    start = time.thread_time()
    for _ in range(int(times)):
        run()
    print((time.thread_time() - start) / int(times), flush=True)
