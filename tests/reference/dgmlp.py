"""What PyTorch Geometric 2.8 smooths features to, to hold `dgmlp/propagation` to.

    pip install torch==2.11.0 torch-geometric==2.8.0 safetensors scipy
    python tests/reference/dgmlp.py plugins/dgmlp/tests/reference

`propagation.safetensors` holds, of numbers in float64:

    x, edges                    features `[nodes, features]` over edges `[2, edges]` that go both ways
    last                        5 hops by SGConv
    mean                        the mean of x and its 5 hops by SIGN
    reference, symmetric        the same hops by DGMLP's weights (arXiv 2108.00955), for either limit
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch.nn.functional import cosine_similarity
from torch_geometric.data import Data
from torch_geometric.nn import SGConv
from torch_geometric.transforms import SIGN, AddSelfLoops
from torch_geometric.utils import erdos_renyi_graph

HOPS, NODES, FEATURES = 5, 30, 70


def last(data):
    convolution = SGConv(FEATURES, FEATURES, K=HOPS, bias=False)
    torch.nn.init.eye_(convolution.lin.weight)
    return convolution(data.x, data.edge_index).detach()


def hops(data):
    made = SIGN(HOPS)(AddSelfLoops()(data.clone()))
    return torch.stack([data.x, *(made[f"x{k}"] for k in range(1, HOPS + 1))])


def adaptive(data, hops, exponent):
    one, other = data.edge_index
    joined = coo_matrix((torch.ones(len(one)), (one, other)), (NODES, NODES))
    of_node = torch.from_numpy(connected_components(joined)[1])
    together = (of_node[:, None] == of_node).to(hops.dtype)
    degree = torch.bincount(one, minlength=NODES) + 1
    # Only the direction of the limit counts.
    limit = together @ (degree[:, None] ** exponent * data.x)
    near = cosine_similarity(hops, data.x[None], dim=-1)
    over = cosine_similarity(hops, limit[None], dim=-1)
    return torch.einsum("kn,knf->nf", (near * (1 - over)).softmax(0), hops)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    data = Data(x=torch.randn(NODES, FEATURES), edge_index=erdos_renyi_graph(NODES, 0.06))
    smoothed = hops(data)
    tensors = {
        "x": data.x,
        "edges": data.edge_index,
        "last": last(data),
        "mean": smoothed.mean(0),
        "reference": adaptive(data, smoothed, 1.0),
        "symmetric": adaptive(data, smoothed, 0.5),
    }
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / "propagation.safetensors")
