"""The package against NumPy and ONNX Runtime, over the project's own small networks."""

import gzip
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import kiln

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples/data/digits.onnx"
# Results are sums of some hundred products in another order.
CLOSE = dict(rtol=1e-4, atol=1e-5)


def digits(rows):
    """So many of the digits, `[n, 1, 8, 8]`, and their classes."""
    with gzip.open(ROOT / "examples/data/digits.csv.gz", "rt") as file:
        cells = np.loadtxt(file, delimiter=",", dtype=np.float32, max_rows=rows)
    return cells[:, :64].reshape(-1, 1, 8, 8) / 16, cells[:, 64].astype(np.int64)


def onnx_runtime(path, *arrays):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {given.name: array for given, array in zip(session.get_inputs(), arrays)})


def cross_entropy(scores, classes):
    shifted = scores - scores.max(1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(classes)), classes]).mean())


def test_predictions_are_onnx_runtimes_for_any_rows_and_strides():
    model = kiln.load(DIGITS)
    (given,) = model.inputs
    assert (given.dtype, given.shape[1:]) == ("float32", [1, 8, 8])
    predict = kiln.Predictor(model, threads=1)
    x, _ = digits(12)
    for rows in (1, 3, 12):
        np.testing.assert_allclose(predict(x[:rows]), onnx_runtime(DIGITS, x[:rows])[0], **CLOSE)
    turned = x.transpose(0, 1, 3, 2)[::2]
    assert not turned.flags.c_contiguous
    found = predict(**{given.name: turned})
    np.testing.assert_allclose(found, onnx_runtime(DIGITS, np.ascontiguousarray(turned))[0], **CLOSE)


def test_arrays_that_lie_anyhow_are_read():
    predict = kiln.Predictor(kiln.load(DIGITS), threads=1)
    x, _ = digits(2)
    expected = predict(x)
    across = np.frombuffer(b"." + x.tobytes(), np.float32, offset=1, count=x.size).reshape(x.shape)
    assert not across.flags.aligned
    np.testing.assert_array_equal(predict(across), expected)
    np.testing.assert_array_equal(predict(x[::-1, :, ::-1])[::-1], predict(np.ascontiguousarray(x[:, :, ::-1])))
    swapped = x.astype(">f4")
    with pytest.raises(TypeError, match=">f4"):
        predict(swapped)


def test_results_own_their_memory():
    predict = kiln.Predictor(kiln.load(DIGITS), threads=1)
    x, _ = digits(4)
    first = predict(x)
    kept = first.copy()
    predict(x * 0)
    np.testing.assert_array_equal(first, kept)
    first += 1
    del predict
    np.testing.assert_array_equal(first, kept + 1)


def test_many_threads_call_one_predictor():
    predict = kiln.Predictor(kiln.load(DIGITS), threads=1)
    x, _ = digits(64)
    expected, found = predict(x), [None] * 8

    def call(place):
        for _ in range(20):
            found[place] = predict(x)

    threads = [threading.Thread(target=call, args=(place,)) for place in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for one in found:
        np.testing.assert_array_equal(one, expected)


def test_a_step_is_numpys():
    """The only trained layer is linear: its gradient is written down here."""
    features = kiln.load(DIGITS).with_outputs("relu3")
    x, y = digits(16)
    held = kiln.Predictor(features, threads=1)(x)
    model = features.with_head("head", of="relu3", outputs=10, seed=3).train_only("head")
    assert sorted(model.trained) == ["head.bias", "head.weight"]
    weight, bias = model.parameters["head.weight"], model.parameters["head.bias"]
    optimizer = kiln.Optimizer("SGD", lr=0.02, keep_gradients=True)
    trainer = kiln.Trainer(model, kiln.Loss("CrossEntropyLoss"), optimizer, batch=16, threads=1)
    for _ in range(3):
        scores = held @ weight.T + bias
        assert trainer.evaluate(x, y) == pytest.approx(cross_entropy(scores, y), rel=1e-4)
        assert trainer.train_step(x, y) == pytest.approx(cross_entropy(scores, y), rel=1e-4)
        wrong = np.exp(scores - scores.max(1, keepdims=True))
        wrong /= wrong.sum(1, keepdims=True)
        wrong[np.arange(16), y] -= 1
        np.testing.assert_allclose(trainer.gradient("head.weight"), wrong.T @ held / 16, rtol=1e-3, atol=1e-5)
        weight, bias = weight - 0.02 * wrong.T @ held / 16, bias - 0.02 * wrong.mean(0)
    after = trainer.model().parameters
    np.testing.assert_allclose(after["head.weight"], weight, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(after["head.bias"], bias, rtol=1e-3, atol=1e-5)
    for name, value in features.parameters.items():
        np.testing.assert_array_equal(after[name], value, err_msg="it is frozen")


def test_fine_tuning_ends_as_a_file_that_onnx_runtime_runs(tmp_path):
    x, y = digits(512)
    model = kiln.load(DIGITS).with_head("head", of="relu3", outputs=10).train_only("head")
    loss = kiln.Loss("CrossEntropyLoss")

    def epochs(trainer, count):
        for _ in range(count):
            losses = [trainer.train_step(x[start : start + 64], y[start : start + 64]) for start in range(0, 512, 64)]
        return float(np.mean(losses))

    frozen = epochs(kiln.Trainer(model, loss, kiln.Optimizer("Adam", lr=3e-3), batch=64), 10)
    # By chance: 2.30.
    assert frozen < 2.2
    slow = {"params": [name for name in model.parameters if not name.startswith("head")], "lr": 1e-3}
    optimizer = kiln.Optimizer("Adam", lr=3e-3, groups=[slow], clip_grad_norm=1.0)
    trainer = kiln.Trainer(model.train_only(), loss, optimizer, batch=64)
    whole = epochs(trainer, 10)
    assert whole < 0.7 * frozen
    trainer.model().export(tmp_path / "tuned.onnx")
    expected = trainer.predict(x[:8])
    np.testing.assert_allclose(onnx_runtime(tmp_path / "tuned.onnx", x[:8])[0], expected, rtol=1e-3, atol=1e-4)
    # Weights alone, and a training that goes on.
    trainer.model().save_weights(tmp_path / "weights.safetensors")
    again = model.load_weights(tmp_path / "weights.safetensors")
    np.testing.assert_allclose(kiln.Predictor(again)(x[:8]), expected, **CLOSE)
    trainer.save(tmp_path / "run.safetensors")
    follows = trainer.train_step(x[:64], y[:64])
    trainer.load(tmp_path / "run.safetensors")
    assert trainer.train_step(x[:64], y[:64]) == follows


def test_mistakes_are_exceptions_with_kilns_words(tmp_path):
    model = kiln.load(DIGITS)
    predict = kiln.Predictor(model, threads=1)
    x, y = digits(4)
    (tmp_path / "no.onnx").write_bytes(b"none")
    cases = [
        (FileNotFoundError, "no such|No such", lambda: kiln.load(tmp_path / "missing.onnx")),
        (ValueError, "no ONNX file", lambda: kiln.load(tmp_path / "no.onnx")),
        (TypeError, "float64.*astype", lambda: predict(x.astype(np.float64))),
        (TypeError, "f32.*i32", lambda: predict(y.astype(np.int32).reshape(4, 1, 1, 1))),
        (ValueError, r"f32\[4, 8, 8\]", lambda: predict(x[:, 0])),
        (TypeError, "not given", lambda: predict()),
        (ValueError, "18446744073709551516", lambda: predict(np.full((4, 1, 8, 8), 2**64 - 100, np.uint64))),
        (ValueError, "tune.*seconds", lambda: kiln.Predictor(model, tune=-1.0)),
        (ValueError, "pooling", lambda: model.with_head("head", of="relu2", outputs=2)),
        (ValueError, "one output", lambda: model.with_head("head", of="relu3", outputs=0)),
        (KeyError, "no input `z`", lambda: predict(z=x)),
        (TypeError, "NumPy array, not list", lambda: predict([1.0])),
        (KeyError, "no node gives `q`", lambda: model.with_outputs("q")),
        (KeyError, "begins with `q`", lambda: model.train_only("q")),
        (ValueError, "no optimizer `Adm`.*AdamW", lambda: kiln.Optimizer("Adm")),
        (TypeError, "no setting `beta`.*betas", lambda: kiln.Optimizer("Adam", beta=1)),
        (TypeError, "two numbers", lambda: kiln.Optimizer("Adam", betas=[0.9])),
        (ValueError, "no loss `MSE`.*MSELoss", lambda: kiln.Loss("MSE")),
        (ValueError, "lr", lambda: kiln.Trainer(model, kiln.Loss("CrossEntropyLoss"), kiln.Optimizer("SGD", lr=-1.0))),
        (ValueError, "precision `f16`", lambda: kiln.Predictor(model, precision="f16")),
    ]
    for kind, words, call in cases:
        with pytest.raises(kind, match=words):
            call()
    trainer = kiln.Trainer(model, kiln.Loss("CrossEntropyLoss"), kiln.Optimizer("SGD"), batch=4)
    with pytest.raises(ValueError, match="99"):
        trainer.train_step(x, y * 0 + 99)
    with pytest.raises(ValueError, match="4"):
        trainer.train_step(np.repeat(x, 2, 0), np.repeat(y, 2))
    assert np.isfinite(trainer.train_step(x, y))


def test_several_outputs_take_losses_by_name():
    model = kiln.load(DIGITS).with_outputs("relu3", *kiln.load(DIGITS).outputs)
    scores = model.outputs[1]
    x, y = digits(8)
    losses = {scores: kiln.Loss("CrossEntropyLoss"), "relu3": kiln.Loss("MSELoss")}
    trainer = kiln.Trainer(model, losses, kiln.Optimizer("AdamW", lr=1e-2, betas=(0.9, 0.99)), batch=8, threads=1)
    found = trainer.predict(x)
    assert list(found) == model.outputs
    targets = {scores: y, "relu3": np.zeros_like(found["relu3"])}
    first = trainer.train_step(x, targets)
    assert first == pytest.approx(cross_entropy(found[scores], y) + float((found["relu3"] ** 2).mean()), rel=1e-4)
    for _ in range(20):
        last = trainer.train_step({model.inputs[0].name: x}, targets)
    assert last < first
    trainer.learning_rate = 0.0
    assert trainer.learning_rate == 0.0
