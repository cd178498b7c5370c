"""Cases of functions, from the samples of PyTorch's own tests (`op_db`): `python functions.py FOLDER [NAME ..]`, with torch 2.15.

Each sample becomes a file as `cases/README.md` says, with first gradients, and second ones (of `sum(gradient * second)`)
where there are any. Results are those in f64 of numbers that are exact in f32; a tolerance is 1e-5 of a result, and at
least 3 times what PyTorch's own f32 is off. `KILN_GOLDEN=FOLDER cargo test --release --test golden` compares them.
`--few` keeps one sample of each function, the smallest: the files in `cases/functions`.
"""
import json
import math
import os
import sys
import warnings
import zlib

import numpy as np
import torch
from safetensors.torch import save_file
from torch.testing._internal.common_methods_invocations import op_db

warnings.simplefilter("ignore")
torch.set_num_threads(1)

# What each function takes, in order: `?` stands before tensors that are named and may be left out, `*` before what is
# given by name only (`?*`: both).
ONE = """lgamma digamma erfc erfinv special.ndtr corrcoef logical_not abs acos acosh asin asinh atan atanh ceil cos cosh deg2rad erf exp exp2 expm1 floor frac isfinite isinf isnan
isneginf isposinf log log10 log1p log2 neg rad2deg reciprocal round rsqrt sigmoid sign signbit sin sinc sinh sqrt square
tan tanh trunc fliplr flipud ravel t trace""".split()
ACTIVATIONS = "hardsigmoid hardswish logsigmoid mish relu relu6 selu silu softsign tanhshrink".split()
TWO = """atan2 copysign eq floor_divide fmax fmin fmod ge gt hypot le logaddexp logaddexp2 lt maximum minimum mul ne
remainder true_divide xlogy heaviside ldexp special.xlog1py logical_and logical_or logical_xor inner kron view_as expand_as""".split()
FOLDS = "all amax amin any".split()
MEANS = "mean nanmean nansum prod sum".split()
SPREADS = "std std_mean var var_mean".split()
TAKES = {name: "input" for name in ONE} | {f"nn.functional.{name}": "input" for name in ACTIVATIONS}
TAKES |= {name: "input other" for name in TWO} | {name: "input dim keepdim" for name in FOLDS}
TAKES |= {name: "input dim keepdim *dtype" for name in MEANS} | {name: "input dim *unbiased keepdim *correction" for name in SPREADS}
TAKES |= {
    "add": "input other *alpha", "sub": "input other *alpha", "div": "input other *rounding_mode", "pow": "input exponent",
    "polygamma": "input n", "mvlgamma": "input p", "cov": "input *correction ?*fweights ?*aweights", "tensordot": "input b *dims",
    "linalg.vecdot": "input y *dim", "take_along_dim": "input indices dim", "scatter_reduce": "input dim index src reduce *include_self",
    "index_copy": "input dim index source", "nanmedian": "input dim keepdim", "nanquantile": "input q dim keepdim *interpolation",
    "trapezoid": "input x *dx dim", "trapz": "input x *dx dim", "cumulative_trapezoid": "input x *dx dim",
    "vstack": "tensors", "dstack": "tensors", "column_stack": "tensors",
    "block_diag": "tensors", "cartesian_prod": "tensors", "combinations": "input r with_replacement", "diagflat": "input offset",
    "diagonal_scatter": "input src offset dim1 dim2", "index_put": "input indices values accumulate", "mode": "input dim keepdim",
    "msort": "input", "unfold_copy": "input dimension size step", "unravel_index": "input shape", "slice_scatter": "input src dim start end step",
    "select_scatter": "input src dim index", "take": "input index", "i0": "input", "special.i0e": "input", "special.i1": "input", "special.i1e": "input",
    "special.erfcx": "input", "special.log_ndtr": "input",
    "isclose": "input other rtol atol equal_nan", "clamp": "input min max", "where": "input condition other",
    "addcdiv": "input tensor1 tensor2 *value", "addcmul": "input tensor1 tensor2 *value", "lerp": "input end weight",
    "logit": "input eps", "masked_fill": "input mask value", "nan_to_num": "input nan posinf neginf",
    "addbmm": "input batch1 batch2 *beta *alpha", "baddbmm": "input batch1 batch2 *beta *alpha", "bmm": "input mat2",
    "addmm": "input mat1 mat2 *beta *alpha", "addmv": "input mat vec *beta *alpha", "addr": "input vec1 vec2 *beta *alpha",
    "matmul": "input other", "mm": "input mat2", "mv": "input vec", "dot": "input tensor", "outer": "input vec2",
    "einsum": "equation operands", "cdist": "x1 x2 p", "linalg.cross": "input other *dim",
    "aminmax": "input *dim *keepdim", "argmax": "input dim keepdim", "argmin": "input dim keepdim", "argsort": "input dim descending",
    "sort": "input dim descending", "topk": "input k dim largest sorted", "kthvalue": "input k dim keepdim",
    "max": "input dim keepdim", "min": "input dim keepdim", "median": "input dim keepdim", "quantile": "input q dim keepdim *interpolation",
    "count_nonzero": "input dim", "cummax": "input dim", "cummin": "input dim", "cumprod": "input dim *dtype", "cumsum": "input dim *dtype",
    "diff": "input n dim ?prepend ?append", "dist": "input other p", "histc": "input bins min max", "isin": "elements test_elements",
    "bucketize": "input boundaries *right", "searchsorted": "sorted_sequence input *right *side ?*sorter",
    "log_softmax": "input dim *dtype", "softmax": "input dim *dtype", "logcumsumexp": "input dim", "logsumexp": "input dim keepdim",
    "linalg.vector_norm": "input ord dim keepdim *dtype", "renorm": "input p dim maxnorm",
    "broadcast_to": "input size", "cat": "tensors dim", "chunk": "input chunks dim", "diag": "input diagonal",
    "diag_embed": "input offset dim1 dim2", "diagonal": "input offset dim1 dim2", "expand": "input size",
    "flatten": "input start_dim end_dim", "flip": "input dims", "gather": "input dim index", "hstack": "tensors",
    "index_add": "input dim index source *alpha", "index_fill": "input dim index value", "index_select": "input dim index",
    "meshgrid": "tensors *indexing", "movedim": "input source destination", "narrow": "input dim start length",
    "permute": "input dims", "repeat": "input repeats", "repeat_interleave": "input repeats dim", "reshape": "input shape",
    "roll": "input shifts dims", "rot90": "input k dims", "scatter": "input dim index src", "scatter_add": "input dim index src",
    "select": "input dim index", "split": "input split_size_or_sections dim", "squeeze": "input dim", "stack": "tensors dim",
    "tile": "input dims", "transpose": "input dim0 dim1", "tril": "input diagonal", "triu": "input diagonal",
    "unbind": "input dim", "unflatten": "input dim sizes", "unsqueeze": "input dim", "view": "input size",
}
POOLED = "input kernel_size stride padding ceil_mode count_include_pad divisor_override"
TAKES |= {f"nn.functional.{name}": takes for name, takes in {
    "celu": "input alpha inplace", "elu": "input alpha inplace", "gelu": "input *approximate", "glu": "input dim",
    "hardshrink": "input lambd", "hardtanh": "input min_val max_val inplace", "leaky_relu": "input negative_slope inplace",
    "prelu": "input weight", "softmin": "input dim _stacklevel dtype", "softplus": "input beta threshold",
    "softshrink": "input lambd", "threshold": "input threshold value inplace", "normalize": "input p dim eps",
    "bilinear": "input1 input2 weight ?bias", "cosine_similarity": "x1 x2 dim eps", "linear": "input weight ?bias",
    "pairwise_distance": "x1 x2 p eps keepdim", "pdist": "input p", "one_hot": "input num_classes",
    "scaled_dot_product_attention": "query key value ?attn_mask dropout_p is_causal *scale *enable_gqa",
    "batch_norm": "input ?running_mean ?running_var ?weight ?bias training momentum eps",
    "instance_norm": "input ?running_mean ?running_var ?weight ?bias use_input_stats momentum eps",
    "layer_norm": "input normalized_shape ?weight ?bias eps", "rms_norm": "input normalized_shape ?weight eps",
    "group_norm": "input num_groups ?weight ?bias eps", "local_response_norm": "input size alpha beta k",
    "embedding": "input weight padding_idx max_norm norm_type scale_grad_by_freq sparse",
    "embedding_bag": "weight input ?*offsets *max_norm *norm_type *scale_grad_by_freq *mode *sparse ?*per_sample_weights *include_last_offset *padding_idx",
    "grid_sample": "input grid mode padding_mode align_corners", "pad": "input pad mode value",
    "interpolate": "input size scale_factor mode align_corners recompute_scale_factor antialias",
    "channel_shuffle": "input groups", "pixel_shuffle": "input upscale_factor", "pixel_unshuffle": "input downscale_factor",
    "unfold": "input kernel_size dilation padding stride",
    **{f"conv{axes}d": "input weight ?bias stride padding dilation groups" for axes in (1, 2, 3)},
    **{f"conv_transpose{axes}d": "input weight ?bias stride padding output_padding groups dilation" for axes in (1, 2, 3)},
    **{f"avg_pool{axes}d": POOLED for axes in (1, 2, 3)},
    **{f"max_pool{axes}d": "input kernel_size stride padding dilation ceil_mode return_indices" for axes in (1, 2, 3)},
    **{f"adaptive_avg_pool{axes}d": "input output_size" for axes in (1, 2, 3)},
    **{f"adaptive_max_pool{axes}d": "input output_size return_indices" for axes in (1, 2, 3)},
    **{f"max_unpool{axes}d": "input indices kernel_size stride padding output_size" for axes in (1, 2, 3)},
    "binary_cross_entropy": "input target ?weight size_average reduce reduction",
    "binary_cross_entropy_with_logits": "input target ?weight size_average reduce reduction ?pos_weight",
    "cosine_embedding_loss": "input1 input2 target margin size_average reduce reduction",
    "cross_entropy": "input target ?weight size_average ignore_index reduce reduction label_smoothing",
    "ctc_loss": "log_probs targets input_lengths target_lengths blank reduction zero_infinity",
    "gaussian_nll_loss": "input target var *full *eps *reduction",
    "hinge_embedding_loss": "input target margin size_average reduce reduction",
    "huber_loss": "input target reduction delta ?weight", "l1_loss": "input target size_average reduce reduction ?weight",
    "kl_div": "input target size_average reduce reduction *log_target",
    "margin_ranking_loss": "input1 input2 target margin size_average reduce reduction",
    "mse_loss": "input target size_average reduce reduction ?weight",
    "multi_margin_loss": "input target p margin ?weight size_average reduce reduction",
    "multilabel_margin_loss": "input target size_average reduce reduction",
    "multilabel_soft_margin_loss": "input target ?weight size_average reduce reduction",
    "nll_loss": "input target ?weight size_average ignore_index reduce reduction",
    "poisson_nll_loss": "input target log_input full size_average eps reduce reduction",
    "smooth_l1_loss": "input target size_average reduce reduction beta",
    "soft_margin_loss": "input target size_average reduce reduction",
    "triplet_margin_loss": "anchor positive negative *margin *p *eps *swap *size_average *reduce *reduction",
}.items()}
# Functions that take a list of whole numbers as several arguments, too.
SPREAD_OUT = {"permute", "repeat", "reshape", "view", "expand", "flip", "tile"}
IGNORED = {"out", "memory_format", "device", "requires_grad", "stable", "layout"}


class Unsuited(Exception):
    pass


def as_json(value):
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, torch.dtype):
        return str(value)
    raise Unsuited(type(value).__name__)


def arguments(name, sample):
    """The arguments of a sample by name."""
    names = TAKES[name].split()
    given = [sample.input, *sample.args]
    if name in SPREAD_OUT and len(given) > 2:
        given = [given[0], tuple(given[1:])]
    if name == "einsum":
        given = [sample.args[0], sample.input]
    if name in ("meshgrid", "block_diag", "cartesian_prod") and torch.is_tensor(given[0]):
        given = [given]
    placed = [each.lstrip("?") for each in names if "*" not in each]
    if len(given) > len(placed):
        raise Unsuited("more arguments")
    found = dict(zip(placed, given))
    for key, value in sample.kwargs.items():
        if key in IGNORED or key == "dtype" and "*dtype" not in names:
            continue
        if key not in {each.lstrip("?*") for each in names}:
            raise Unsuited(key)
        found[key] = value
    if found.get("max_norm") is not None or found.get("scale_grad_by_freq"):
        raise Unsuited("what the function does not take: the layer takes `scale_grad_by_freq`")
    return found


def leaves(value):
    if torch.is_tensor(value):
        return [value]
    return [leaf for item in value if item is not None for leaf in leaves(item)] if isinstance(value, (list, tuple)) else []


def case(op, name, sample, number, only_first=False):
    """The tensors and the metadata of a sample."""
    given, attributes, place = {}, {}, 0
    found = arguments(name, sample)
    for each in TAKES[name].split():
        value = found.get(each.lstrip("?*"))
        tensors = [value] if torch.is_tensor(value) else value if isinstance(value, (list, tuple)) and leaves(value) else None
        if tensors is None:
            if value is not None:
                attributes[each.lstrip("?*")] = as_json(value)
        elif each.startswith("?"):
            given[each.lstrip("?*")] = value
        else:
            given |= {str(place + index): tensor for index, tensor in enumerate(tensors)}
            place += len(tensors)
    if not given or any(x.is_complex() or x.layout != torch.strided or not 0 < x.numel() <= 9000 for x in given.values()):
        raise Unsuited("operands")
    if any(x.dtype == torch.int64 and x.abs().max() >= 2**31 for x in given.values()):
        raise Unsuited("numbers beyond i32")
    base = {key: x.detach().float().double() if x.is_floating_point() else x.detach() for key, x in given.items()}
    place_of = {id(x): key for key, x in given.items()}
    random = np.random.default_rng([7, zlib.crc32(f"{name}{number}".encode())])
    draw = lambda like: torch.from_numpy(random.standard_normal(tuple(like.shape)).astype(np.float32).astype(np.float64))
    cotangents, second = {}, {}

    def run(dtype):
        xs = {key: x.to(dtype).clone() if x.is_floating_point() else x.clone() for key, x in base.items()}
        for key, x in xs.items():
            x.requires_grad_(x.is_floating_point() and (key == "0" or not only_first))

        def instead(value):
            if torch.is_tensor(value):
                return xs[place_of[id(value)]]
            if isinstance(value, (list, tuple)) and leaves(value):
                return type(value)(instead(item) for item in value)
            return dtype if isinstance(value, torch.dtype) and value.is_floating_point else value

        outputs = leaves(op.op(instead(sample.input), *map(instead, sample.args), **{k: instead(v) for k, v in sample.kwargs.items()}))
        if not outputs or any(y.is_complex() or not 0 < y.numel() <= 9000 for y in outputs):
            raise Unsuited("results")
        results = {f"output.{index}": y.detach() for index, y in enumerate(outputs)}
        smooth = {index: y for index, y in enumerate(outputs) if y.requires_grad}
        real = {key: x for key, x in xs.items() if x.requires_grad}
        for index, y in smooth.items():
            cotangents.setdefault(index, draw(y))
        if not smooth:
            return results
        total = sum((y * cotangents[index].to(dtype)).sum() for index, y in smooth.items())
        pulled = lambda y, create: [torch.zeros_like(x) if g is None else g for x, g in zip(real.values(), torch.autograd.grad(
            y, list(real.values()), allow_unused=True, create_graph=create))]
        gradients = dict(zip(real, pulled(total, True)))
        results |= {f"grad.input.{key}": g.detach() for key, g in gradients.items()}
        try:
            for key, g in gradients.items():
                second.setdefault(key, draw(g))
            total = sum((g * second[key].to(dtype)).sum() for key, g in gradients.items())
            results |= {f"grad2.input.{key}": g.detach() for key, g in zip(real, pulled(total, False))}
        except RuntimeError:  # The gradients are no functions of the operands, or have no derivatives in PyTorch.
            second.clear()
        return results

    exact, rough = run(torch.float64), {}
    try:
        rough = run(torch.float32)
    except (RuntimeError, Unsuited):
        pass
    absolute = 2e-6
    for key, y in exact.items():
        if y.is_floating_point() and key in rough:
            off = ((y - rough[key].double()).abs() - 1e-5 * y.abs())[y.isfinite() & rough[key].isfinite()]
            absolute = max(absolute, 3 * off.max().item() if off.numel() else 0)
    inputs = {f"input.{key}": x for key, x in base.items()} | {f"cotangent.{index}": x for index, x in cotangents.items()}
    inputs |= {f"second.input.{key}": x for key, x in second.items()}
    masks = [key for key, x in base.items() if x.dtype == torch.bool]
    stored = lambda x: (x.float() if x.is_floating_point() else x.long()).contiguous().clone()
    metadata = {"op": f"torch.{name.replace('nn.functional.', '').replace('.', '_')}",
                "attrs": json.dumps(attributes | ({"masks": masks} if masks else {})), "notes": f"sample {number} of {name}",
                "tolerance": json.dumps({"rtol": 1e-5, "atol": absolute})}
    return {key: stored(x) for key, x in (inputs | exact).items()}, metadata


def main(folder, names, few):
    os.makedirs(folder, exist_ok=True)
    count = 0
    for op in op_db:
        name, cases = op.name, []
        if name not in TAKES or names and name not in names:
            continue
        for dtype in (torch.float64, torch.int64, torch.bool):
            if dtype not in op.supported_dtypes("cpu") or few and (cases or dtype == torch.bool):
                continue
            for number, sample in enumerate(op.sample_inputs("cpu", dtype, requires_grad=False)):
                number = f"{op.variant_test_name}{number}.{str(dtype)[6:]}"
                try:
                    try:
                        cases.append((number, *case(op, name, sample, number)))
                    except RuntimeError:
                        cases.append((number, *case(op, name, sample, number, True)))
                except (Unsuited, RuntimeError):
                    continue
        if few and cases:
            # Of those with axes the smallest.
            # A number has no axis to be unfolded along, but in PyTorch.
            is_number = lambda tensors: min(tensors["output.0"].dim(), tensors["input.0"].dim() if name == "unfold_copy" else 1) == 0
            size = lambda tensors: (is_number(tensors), sum(x.numel() for x in tensors.values()))
            cases = [min(cases, key=lambda each: size(each[1]))]
        for number, tensors, metadata in cases:
            stem = metadata["op"][6:] if few else f"{metadata['op'][6:]}.{number}"
            save_file(tensors, os.path.join(folder, f"{stem}.safetensors"), metadata)
            count += 1
    print(count, "cases")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    main(words[0], set(words[1:]), "--few" in sys.argv)
