"""What layers do on a graph, as PyTorch and PyTorch Geometric have it: `attention 1 3 cora.npz` answers with the seconds of
CPU of one of three times on one thread; of more threads it is the time that passes.

attention  64 features to 8 heads of 8, forward and backward
features   a map of the file's sparse features to 64 columns by libtorch's CSR product, forward and backward
power      32 products with the normalised graph by libtorch's CSR product, one after the other
smoothing  the same, and what comes of DGMLP's weights of the 33 hops (arXiv 2108.00955); they are kept, as the authors do
"""

import functools
import sys
import time

import numpy as np
import torch
from torch_geometric.nn import GATConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm

torch.manual_seed(0)
HOPS = 32


@functools.cache
def arrays(path):
    return dict(np.load(path))


def edges(path):
    one_way = torch.from_numpy(arrays(path)["edges"].astype("int64")).T
    return torch.cat([one_way, one_way.flip(0)], dim=1)


def sparse_features(path):
    of = arrays(path)
    indices = of["x_indices"].astype("int64")
    values = of.get("x_data", np.ones(len(indices), "float32")).astype("float32")
    parts = (of["x_indptr"].astype("int64"), indices, values)
    return torch.sparse_csr_tensor(*map(torch.from_numpy, parts), size=tuple(of["x_shape"].tolist()))


@functools.cache
def attention(path):
    x = torch.randn(len(arrays(path)["y"]), 64, requires_grad=True)
    layer, between = GATConv(64, 8, heads=8), edges(path)

    def run():
        layer.zero_grad()
        x.grad = None
        layer(x, between).square().sum().backward()

    return run


@functools.cache
def features(path):
    x = sparse_features(path)
    w = torch.randn(x.shape[1], 64, requires_grad=True)

    def run():
        w.grad = None
        (x @ w).sum().backward()

    return run


def normalised(path):
    nodes = len(arrays(path)["y"])
    (to, at), weight = gcn_norm(edges(path), num_nodes=nodes)
    return torch.sparse_coo_tensor(torch.stack([at, to]), weight, (nodes, nodes)).to_sparse_csr()


def dense_features(path):
    return sparse_features(path).to_dense() if "cora" in path else torch.randn(len(arrays(path)["y"]), 256)


@functools.cache
def power(path):
    graph, dense = normalised(path), dense_features(path)

    def run():
        x = dense
        for _ in range(HOPS):
            x = graph @ x

    return run


@functools.cache
def smoothing(path):
    graph, x = normalised(path), dense_features(path)
    to, at = edges(path)
    nodes = len(x)
    component, before = torch.arange(nodes), None
    while before is None or not torch.equal(component, before):
        before = component
        component = before.scatter_reduce(0, to, before[at], "amin")
    degrees = 1.0 + torch.bincount(at, minlength=nodes)[:, None]

    def by_component(t):
        return torch.zeros_like(t).index_add(0, component, t)[component]

    def norm(t):
        return t.norm(dim=1) + 1e-10

    def run():
        hops = [x]
        for _ in range(HOPS):
            hops.append(graph @ hops[-1])
        limit = by_component(x * (degrees / by_component(degrees)))
        of_x, of_limit = norm(x), norm(limit)
        scores = []
        for hop in hops:
            of_hop = norm(hop)
            near = (x * hop).sum(1) / (of_x * of_hop)
            over = (limit * hop).sum(1) / (of_limit * of_hop)
            scores.append(near * (1 - over))
        weights = torch.stack(scores).softmax(0)
        return sum(weight[:, None] * hop for weight, hop in zip(weights, hops))

    return run


for line in sys.stdin:
    what, threads, times, path = line.split(maxsplit=3)
    run = globals()[what](path.strip())
    torch.set_num_threads(int(threads))
    clock = time.thread_time if threads == "1" else time.perf_counter
    start = clock()
    for _ in range(int(times)):
        run()
    print((clock() - start) / int(times), flush=True)
