"""Cases of arguments of layers that the collection in `../shared/golden` has none of: `python arguments.py FOLDER`, with
torch 2.15.

Each becomes a file as `cases/README.md` says. Results are those in f64 of numbers that are exact in f32.
"""
import json
import os
import sys

import torch
from torch import nn

from safetensors.torch import save_file

TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def exact(*shape):
    """Numbers between -2 and 2 that f32 holds."""
    return (torch.rand(shape, dtype=torch.float64) * 4096 - 2048).round() / 1024


def case(folder, name, op, attributes, layer, inputs, call=None, named=None, notes=""):
    """What a layer gives for its inputs, and all gradients. `named` are further tensors that it is given."""
    torch.manual_seed(sum(name.encode()))
    layer = layer.double()
    for parameter in layer.parameters():
        parameter.data = exact(*parameter.shape) / 2
    given = {f"input.{number}": value for number, value in enumerate(inputs)}
    tensors = given | {f"input.{key}": value for key, value in (named or {}).items()}
    tensors |= {f"param.{key}": value.detach().clone() for key, value in layer.named_parameters()}
    leaves = {key: value.requires_grad_() for key, value in given.items() if value.is_floating_point()}
    leaves |= {f"param.{key}": value for key, value in layer.named_parameters()}
    outputs = list(flat(call(layer, *inputs) if call else layer(*inputs)))
    differentiable = [number for number, output in enumerate(outputs) if output.requires_grad]
    loss = 0
    for number in differentiable:
        cotangent = exact(*outputs[number].shape)
        tensors[f"cotangent.{number}" if len(outputs) > 1 else "cotangent"] = cotangent
        loss = loss + (outputs[number] * cotangent).sum()
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    tensors |= {f"output.{number}": output for number, output in enumerate(outputs)}
    tensors |= {f"grad.{key}": grad for key, grad in zip(leaves, gradients) if grad is not None}
    tensors = {key: stored(value) for key, value in tensors.items()}
    metadata = {"op": op, "attrs": json.dumps(attributes | {"training": True}), "tolerance": json.dumps(TOLERANCE), "notes": notes}
    save_file(tensors, os.path.join(folder, f"{name}.safetensors"), metadata)


def flat(results):
    if isinstance(results, torch.Tensor):
        yield results
    else:
        for result in results:
            yield from flat(result)


def stored(tensor):
    return tensor.detach().to(torch.float32 if tensor.is_floating_point() else torch.int64).contiguous()


def lstms(folder):
    for number, (layers, both, batch_first, bias, with_states, rank) in enumerate([
        (1, False, False, True, True, 3), (2, True, True, True, True, 3), (2, False, True, False, False, 3), (1, True, False, True, True, 2),
    ]):
        settings = {"input_size": 3, "hidden_size": 4, "num_layers": layers, "bias": bias, "batch_first": batch_first, "dropout": 0.0,
                    "bidirectional": both, "proj_size": 2}
        rows, batch = layers * (1 + both), [] if rank == 2 else [2]
        x = exact(5, 3) if rank == 2 else exact(2, 5, 3) if batch_first else exact(5, 2, 3)
        inputs = [x] + [exact(rows, *batch, 2), exact(rows, *batch, 4)] * with_states
        call = lambda layer, x, *states: layer(x, states) if states else layer(x)
        case(folder, f"lstm_proj_{number:02d}", "LSTM", settings, nn.LSTM(**settings), inputs, call, notes="outputs: sequence, h_n, c_n")


def attentions(folder):
    for number, (batch_first, floating, added) in enumerate([(True, False, False), (False, True, True)]):
        settings = {"embed_dim": 6, "num_heads": 3, "bias": True, "add_bias_kv": added, "add_zero_attn": added, "dropout": 0.0,
                    "kdim": None, "vdim": None, "batch_first": batch_first}
        query, key = (exact(2, 4, 6), exact(2, 5, 6)) if batch_first else (exact(4, 2, 6), exact(5, 2, 6))
        mask = exact(6, 4, 5) if floating else (torch.rand(6, 4, 5) < 0.3) & (torch.arange(5) > 0)
        call = lambda layer, query, key: layer(query, key, key, attn_mask=mask)
        case(folder, f"multiheadattention_mask_{number:02d}", "MultiheadAttention", settings, nn.MultiheadAttention(**settings), [query, key],
             call, {"attn_mask": mask}, "attn_mask [N * heads, L, S]; 1 = ignored")


def embeddings(folder):
    for number, padding in enumerate([None, 1]):
        settings = {"num_embeddings": 5, "embedding_dim": 3, "padding_idx": padding, "max_norm": None, "norm_type": 2.0,
                    "scale_grad_by_freq": True, "sparse": False}
        indices = torch.tensor([[1, 4, 4], [0, 1, 4]])
        case(folder, f"embedding_by_freq_{number:02d}", "Embedding", settings, nn.Embedding(**settings), [indices])


def main(folder):
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(0)
    lstms(folder)
    attentions(folder)
    embeddings(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
