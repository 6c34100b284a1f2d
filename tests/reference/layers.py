"""What PyTorch 2.11 and PyTorch Geometric 2.8 compute, to hold the layers of `baselines` to.

    pip install torch==2.11.0 torch-geometric==2.8.0 safetensors
    python tests/reference/layers.py plugins/baselines/tests/reference

A file is a layer with its parameters, which its metadata name under `layer`, as JSON: `name`, `params`, and `pass`, which
is `train` or `eval` where that makes a difference. Its tensors, in float64:

    input.PORT              what comes in; lengths and tokens are int64
    edges.PORT              a graph that comes in, `[2, edges]`: sources and targets
    members.PORT            a graph that comes in from nodes to graphs: how many nodes each has
    weight.NAME             a weight or buffer
    output.PORT             what comes out
    kept.NAME               what a buffer is after training
    gradient.PORT           of the sum over all outputs, flattened, of `cos(i) * output[i]`
    gradient.weight.NAME    of the same

Where PyTorch's names or layouts are others than those of `baselines`, they are renamed here.
"""

import json
import sys
from pathlib import Path

import torch
import torch_geometric.nn as geometric
from safetensors.torch import save_file
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU(),
    "leaky-relu": nn.LeakyReLU(),
    "elu": nn.ELU(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
}

# Directed, with a node that no edge goes to, one that none leaves, and one by itself; no loop and none twice, which
# the two sides do not count alike.
EDGES = torch.tensor([[0, 1, 2, 0, 3, 4, 1, 3], [1, 2, 1, 3, 0, 3, 0, 2]])
NODES = 6


def save(folder, name, layer, params, call, inputs, weights, mode=None, buffers=None, **fixed):
    """Runs `call(inputs)`, which gives outputs by port, and writes all of it.

    `weights` go by our names to the parameters, or to functions that read a gradient or a value of our layout off them;
    `fixed` holds tensors of the file without a gradient.
    """
    inputs = {port: x.requires_grad_(x.is_floating_point()) for port, x in inputs.items()}
    buffers = {name: (before.clone(), after) for name, (before, after) in (buffers or {}).items()}
    outputs = call(inputs)
    loss = sum((torch.cos(torch.arange(y.numel(), dtype=y.dtype)) * y.flatten()).sum() for y in outputs.values())
    loss.backward()

    tensors = {name.replace("_", "."): t for name, t in fixed.items()}
    for port, x in inputs.items():
        tensors[f"input.{port}"] = x
        if x.requires_grad:
            tensors[f"gradient.{port}"] = x.grad
    for ours, (parameter, of) in weights.items():
        tensors[f"weight.{ours}"] = of(parameter)
        tensors[f"gradient.weight.{ours}"] = of(parameter.grad)
    for ours, (before, after) in buffers.items():
        tensors[f"weight.{ours}"] = before
        if mode == "train":
            tensors[f"kept.{ours}"] = after
    for port, y in outputs.items():
        tensors[f"output.{port}"] = y
    tensors = {name: t.detach().clone().contiguous() for name, t in tensors.items()}
    # One entry: several would stand in an order that changes from run to run.
    metadata = {"layer": json.dumps({"name": layer, "params": params, "pass": mode})}
    save_file(tensors, folder / f"{name}.safetensors", metadata)


def same(parameter):
    return parameter, lambda t: t


def transposed(parameter):
    return parameter, lambda t: t.T


def rows(parameter, part, of):
    """One of so many equal blocks of rows."""
    return parameter, lambda t: t.chunk(of)[part]


def moved(module):
    """The module with weights that are all random, so that nothing hides behind a zero or a one."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def plain(module, *names):
    parameters = dict(module.named_parameters())
    return {name: same(parameters[name]) for name in names or parameters}


def at_x(module):
    return lambda inputs: {"x": module(inputs["x"])}


def layers(folder):
    for bias in [True, False]:
        linear = moved(nn.Linear(4, 3, bias=bias))
        name = "linear" if bias else "linear-without-bias"
        x = torch.randn(2, 3, 4)
        save(folder, name, "linear", {"out": 3, "bias": bias}, at_x(linear), {"x": x}, plain(linear))

    for axes, conv in enumerate([nn.Conv1d, nn.Conv2d, nn.Conv3d], 1):
        conv = moved(conv(2, 3, kernel_size=2, stride=2, padding=1))
        params = {"out": 3, "kernel": 2, "stride": 2, "padding": 1}
        x = torch.randn(2, 2, *[5, 4, 3][:axes])
        save(folder, f"conv-{axes}d", "conv", params, at_x(conv), {"x": x}, plain(conv))

    for mode in ["train", "eval"]:
        norm = moved(nn.BatchNorm2d(3, momentum=0.2))
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.train(mode == "train")
        buffers = {
            "mean": (norm.running_mean.clone(), norm.running_mean),
            "var": (norm.running_var.clone(), norm.running_var),
        }
        x = torch.randn(4, 3, 2, 2)
        params = {"momentum": 0.2}
        save(folder, f"batch-norm-{mode}", "batch-norm", params, at_x(norm), {"x": x}, plain(norm), mode, buffers)

    for kind, activation in ACTIVATIONS.items():
        x = 2 * torch.randn(3, 5)
        save(folder, f"activation-{kind}", "activation", {"kind": kind}, at_x(activation), {"x": x}, {})

    pools = {
        "mean": [nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d],
        "max": [nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d],
    }
    for kind, of_axes in pools.items():
        for axes, pool in enumerate(of_axes, 1):
            # At the border only numbers that are there count.
            of_kind = {"count_include_pad": False} if kind == "mean" else {}
            pool = pool(3, stride=2, padding=1, **of_kind)
            params = {"kind": kind, "kernel": 3, "stride": 2, "padding": 1}
            x = torch.randn(2, 2, *[5, 4, 3][:axes])
            save(folder, f"pool-{kind}-{axes}d", "pool", params, at_x(pool), {"x": x}, {})

    for name, recurrent in {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}.items():
        recurrent = moved(recurrent(3, 2, batch_first=True))

        def run(inputs, recurrent=recurrent):
            y, last = recurrent(inputs["x"])
            last = last[0] if isinstance(last, tuple) else last
            return {"x": y, "state": last[0]}

        weights = {
            "input": same(recurrent.weight_ih_l0),
            "recurrent": same(recurrent.weight_hh_l0),
            "input-bias": same(recurrent.bias_ih_l0),
            "recurrent-bias": same(recurrent.bias_hh_l0),
        }
        save(folder, name, name, {"out": 2}, run, {"x": torch.randn(3, 4, 3)}, weights)

    for shape in [(3, 5), (2, 3, 5)]:
        norm = moved(nn.LayerNorm(5, eps=1e-3))
        name, x = f"layer-norm-{len(shape)}d", torch.randn(shape)
        save(folder, name, "layer-norm", {"eps": 1e-3}, at_x(norm), {"x": x}, plain(norm))

    for groups, shape in [(1, (3, 4)), (2, (3, 4, 5)), (4, (2, 4, 3, 2))]:
        norm = moved(nn.GroupNorm(groups, 4, eps=1e-3))
        name, params = f"group-norm-{groups}", {"groups": groups, "eps": 1e-3}
        save(folder, name, "group-norm", params, at_x(norm), {"x": torch.randn(shape)}, plain(norm))


def graph_layers(folder):
    def over_edges(module):
        return lambda inputs: {"x": module(inputs["x"], EDGES)}

    def nodes():
        return torch.randn(NODES, 4)

    gcn = moved(geometric.GCNConv(4, 3))
    weights = {"weight": transposed(gcn.lin.weight), "bias": same(gcn.bias)}
    save(folder, "gcn", "gcn", {"out": 3}, over_edges(gcn), {"x": nodes()}, weights, edges_graph=EDGES)

    gat = moved(geometric.GATConv(4, 3, heads=2))
    weights = {
        "weight": transposed(gat.lin.weight),
        "source": (gat.att_src, lambda t: t[0]),
        "target": (gat.att_dst, lambda t: t[0]),
        "bias": same(gat.bias),
    }
    params = {"out": 6, "heads": 2}
    save(folder, "gat", "gat", params, over_edges(gat), {"x": nodes()}, weights, edges_graph=EDGES)

    sage = moved(geometric.SAGEConv(4, 3))
    weights = {
        "self": same(sage.lin_r.weight),
        "neighbours": same(sage.lin_l.weight),
        "bias": same(sage.lin_l.bias),
    }
    save(folder, "sage", "sage", {"out": 3}, over_edges(sage), {"x": nodes()}, weights, edges_graph=EDGES)

    for train_eps in [False, True]:
        gin = moved(geometric.GINConv(nn.Linear(4, 3), eps=0.25, train_eps=train_eps))
        weights = {"inner.weight": same(gin.nn.weight), "inner.bias": same(gin.nn.bias)}
        if train_eps:
            weights["eps"] = same(gin.eps)
        params = {"inner": {"use": "baselines/linear", "out": 3}, "eps": 0.25, "train-eps": train_eps}
        name = "gin-train-eps" if train_eps else "gin"
        save(folder, name, "gin", params, over_edges(gin), {"x": nodes()}, weights, edges_graph=EDGES)

    appnp = geometric.APPNP(K=3, alpha=0.2)
    params = {"hops": 3, "teleport": 0.2}
    save(folder, "appnp", "appnp", params, over_edges(appnp), {"x": nodes()}, {}, edges_graph=EDGES)

    pools = {
        "sum": geometric.global_add_pool,
        "mean": geometric.global_mean_pool,
        "max": geometric.global_max_pool,
    }
    sizes = torch.tensor([3, 1, 2])
    of_node = torch.arange(3).repeat_interleave(sizes)
    for kind, pool in pools.items():

        def run(inputs, pool=pool):
            return {"x": pool(inputs["x"], of_node)}

        name, params = f"graph-pool-{kind}", {"kind": kind}
        save(folder, name, "graph-pool", params, run, {"x": nodes()}, {}, members_groups=sizes)


def attention_weights(attention, prefix=""):
    if attention.in_proj_weight is None:
        parts = [attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight]
        parts = [same(weight) for weight in parts]
    else:
        parts = [rows(attention.in_proj_weight, part, 3) for part in range(3)]
    weights = dict(zip(["query", "key", "value"], parts))
    if attention.in_proj_bias is not None:
        biases = [rows(attention.in_proj_bias, part, 3) for part in range(3)]
        weights |= dict(zip(["query-bias", "key-bias", "value-bias"], biases))
        weights["output-bias"] = same(attention.out_proj.bias)
    weights["output"] = same(attention.out_proj.weight)
    return {prefix + name: weight for name, weight in weights.items()}


def causal_mask(steps, keys):
    return torch.ones(steps, keys, dtype=torch.bool).triu(1)


def attention_layers(folder):
    def save_attention(name, inputs, causal=False, bias=True, **widths):
        attention = moved(nn.MultiheadAttention(4, 2, bias=bias, batch_first=True, **widths))

        def run(inputs):
            x = inputs["x"]
            key = inputs.get("key", x)
            value = inputs.get("value", x)
            padding = None
            if "lengths" in inputs:
                padding = torch.arange(key.shape[1]) >= inputs["lengths"][:, None]
            mask = causal_mask(x.shape[1], key.shape[1]) if causal else None
            y, _ = attention(x, key, value, key_padding_mask=padding, attn_mask=mask, need_weights=False)
            return {"x": y}

        params = {"heads": 2, "causal": causal, "bias": bias}
        weights = attention_weights(attention)
        save(folder, name, "multi-head-attention", params, run, inputs, weights)

    def x():
        return torch.randn(3, 4, 4)

    def lengths(*numbers):
        return torch.tensor(numbers)

    save_attention("multi-head-attention", {"x": x()})
    save_attention("multi-head-attention-without-bias", {"x": x()}, bias=False)
    save_attention("multi-head-attention-causal", {"x": x()}, causal=True)
    save_attention("multi-head-attention-lengths", {"x": x(), "lengths": lengths(2, 4, 1)})
    inputs = {"x": x(), "lengths": lengths(2, 4, 1)}
    save_attention("multi-head-attention-causal-lengths", inputs, causal=True)
    inputs = {"x": x(), "key": torch.randn(3, 5, 3), "value": torch.randn(3, 5, 2), "lengths": lengths(2, 5, 1)}
    save_attention("multi-head-attention-across", inputs, kdim=3, vdim=2)

    def save_block(name, norm_first, activation, causal=False, inputs=None):
        block = nn.TransformerEncoderLayer(
            4, 2, 6, 0.0, activation, layer_norm_eps=1e-3, batch_first=True, norm_first=norm_first
        )
        moved(block)

        def run(inputs):
            x = inputs["x"]
            padding = None
            if "lengths" in inputs:
                padding = torch.arange(x.shape[1]) >= inputs["lengths"][:, None]
            mask = causal_mask(x.shape[1], x.shape[1]) if causal else None
            return {"x": block(x, src_mask=mask, src_key_padding_mask=padding)}

        others = "linear1.weight linear1.bias linear2.weight linear2.bias norm1.weight norm1.bias norm2.weight norm2.bias"
        weights = attention_weights(block.self_attn, "attention.") | plain(block, *others.split())
        params = {
            "heads": 2,
            "hidden": 6,
            "norm-first": norm_first,
            "activation": activation,
            "dropout": 0.0,
            "causal": causal,
            "eps": 1e-3,
        }
        save(folder, name, "transformer-block", params, run, inputs or {"x": x()}, weights)

    save_block("transformer-block", norm_first=False, activation="relu")
    save_block("transformer-block-norm-first", norm_first=True, activation="gelu")
    inputs = {"x": x(), "lengths": lengths(2, 4, 1)}
    save_block("transformer-block-lengths", True, "relu", inputs=inputs)
    inputs = {"x": x(), "lengths": lengths(2, 4, 1)}
    save_block("transformer-block-causal-lengths", False, "gelu", causal=True, inputs=inputs)


def embedding(folder):
    rows = moved(nn.Embedding(5, 3))
    x = torch.tensor([[0, 4, 4], [2, 0, 1]])
    save(folder, "embedding", "embedding", {"symbols": 5, "out": 3}, at_x(rows), {"x": x}, plain(rows))


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    layers(folder)
    graph_layers(folder)
    attention_layers(folder)
    embedding(folder)
