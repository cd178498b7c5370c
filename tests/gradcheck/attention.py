"""Makes attention.txt: what PyTorch gives for attention and for the transformer's layers.
`python3 attention.py > attention.txt`, with torch 2.15.

All values are patterns, in f64: element i of the input x3 is `pattern(.., 3)`, and the key of a parameter is the sum of
the bytes of its name. A gradient is that of the sum of all results times `pattern(.., 1)`; that of a parameter is told by
its sum with `pattern(.., 5)`.
"""
import math

import torch
from torch import nn

torch.set_default_dtype(torch.float64)


def pattern(shape, key):
    count = math.prod(shape)
    return torch.tensor([((i * 7 + key * 3) % 17 - 8) / 16 for i in range(count)]).reshape(shape)


def numbers(values):
    return " ".join(f"{value:.9g}" for value in values.flatten().tolist())


def case(name, module, shapes, call):
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            parameter.copy_(pattern(parameter.shape, sum(key.encode())))
    xs = [pattern(shape, key).requires_grad_() for key, shape in enumerate(shapes)]
    results = call(module.train(), *xs)
    results = results if isinstance(results, tuple) else (results,)
    for result, other in zip(results, call(module.eval(), *xs) if len(results) > 1 else (call(module.eval(), *xs),)):
        assert torch.allclose(result, other) and not result.isnan().any(), name
    sum((result * pattern(result.shape, 1)).sum() for result in results).backward()
    print(f"case {name}")
    for key, result in enumerate(results):
        print(f"y{key}: {numbers(result)}")
    for key, x in enumerate(xs):
        if x.grad is not None:
            print(f"x{key}: {numbers(x.grad)}")
    for key, parameter in module.named_parameters():
        # PyTorch has no gradient of a cluster that no sample is in.
        gradient = torch.zeros(()) if parameter.grad is None else parameter.grad
        print(f"{key}: {numbers((gradient * pattern(parameter.shape, 5)).sum())}")


def causal(places):
    return torch.ones(places, places).triu(1).bool()


attention, small = nn.MultiheadAttention, dict(dim_feedforward=6, dropout=0.0)
case("attention", attention(4, 2), [(3, 2, 4), (5, 2, 4), (5, 2, 4)], lambda m, q, k, v: m(q, k, v))
case("kdim, vdim", attention(4, 2, kdim=3, vdim=2, batch_first=True), [(2, 3, 4), (2, 5, 3), (2, 5, 2)],
     lambda m, q, k, v: m(q, k, v))
case("key is value", attention(4, 2, bias=False), [(3, 2, 4), (5, 2, 4)], lambda m, q, k: m(q, k, k))
case("added places, causal", attention(4, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True), [(2, 3, 4)],
     lambda m, x: m(x, x, x, attn_mask=causal(3)))
case("numbers as masks", attention(4, 2, batch_first=True), [(2, 3, 4), (2, 5, 4), (2, 5), (2, 2, 3, 5)],
     lambda m, q, k, pad, mask: m(q, k, k, key_padding_mask=pad, attn_mask=mask.reshape(4, 3, 5),
                                  average_attn_weights=False))
case("one sequence", attention(4, 2), [(3, 4), (5, 4), (5,), (2, 3, 5)],
     lambda m, q, k, pad, mask: m(q, k, k, key_padding_mask=pad > 0.3, attn_mask=mask > 0.4))
case("encoder layer", nn.TransformerEncoderLayer(4, 2, **small), [(3, 2, 4), (2, 3), (3, 3)],
     lambda m, x, pad, mask: m(x, src_mask=mask, src_key_padding_mask=pad))
case("encoder layer, norm first",
     nn.TransformerEncoderLayer(4, 2, activation="gelu", layer_norm_eps=0.01, batch_first=True, norm_first=True,
                                bias=False, **small),
     [(2, 3, 4)], lambda m, x: m(x, src_mask=causal(3), is_causal=True))
case("encoder",
     nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, batch_first=True, **small), 2, nn.LayerNorm(4),
                           enable_nested_tensor=False),
     [(2, 3, 4), (2, 3)], lambda m, x, pad: m(x, mask=causal(3).double() * -1e9, src_key_padding_mask=pad))
case("decoder layer", nn.TransformerDecoderLayer(4, 2, **small), [(3, 2, 4), (5, 2, 4), (2, 5), (3, 5)],
     lambda m, x, memory, pad, mask: m(x, memory, tgt_mask=causal(3), memory_mask=mask,
                                       memory_key_padding_mask=pad))
case("decoder layer, norm first",
     nn.TransformerDecoderLayer(4, 2, activation="gelu", batch_first=True, norm_first=True, **small),
     [(2, 3, 4), (2, 5, 4), (2, 3)], lambda m, x, memory, pad: m(x, memory, tgt_key_padding_mask=pad))
case("decoder",
     nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, batch_first=True, **small), 2, nn.LayerNorm(4)),
     [(2, 3, 4), (2, 5, 4)], lambda m, x, memory: m(x, memory, tgt_mask=causal(3)))
case("transformer", nn.Transformer(4, 2, 2, 1, batch_first=True, **small), [(2, 5, 4), (2, 3, 4), (2, 5), (3, 5)],
     lambda m, src, tgt, pad, mask: m(src, tgt, tgt_mask=causal(3), memory_mask=mask, src_key_padding_mask=pad))


def with_loss(module, x):
    result = module(x, torch.arange(7) + 2)
    return result.output, result.loss


case("adaptive softmax", nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], div_value=2.0, head_bias=True), [(7, 8)], with_loss)
case("adaptive softmax, all classes", nn.AdaptiveLogSoftmaxWithLoss(6, 9, [4], div_value=2.5), [(3, 6)],
     lambda m, x: m.log_prob(x))
case("adaptive softmax, one sample", nn.AdaptiveLogSoftmaxWithLoss(6, 9, [1, 2, 5], div_value=1.0), [(6,)],
     lambda m, x: tuple(m(x, torch.tensor(5))))
case("bilinear", nn.Bilinear(3, 4, 2), [(2, 5, 3), (2, 5, 4)], lambda m, x, y: m(x, y))
case("bilinear, no bias", nn.Bilinear(1, 4, 3, bias=False), [(5, 1), (5, 4)], lambda m, x, y: m(x, y))
