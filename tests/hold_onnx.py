"""Holds networks in ONNX to numbers: of each folder of the one named, `net.onnx` on `inputs.npz` gives `outputs.npz`."""

import pathlib
import sys

import numpy
import onnx
import onnxruntime


def held(folder: pathlib.Path) -> str:
    """What is wrong with one of them."""
    file = str(folder / "net.onnx")
    try:
        onnx.checker.check_model(file, full_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        network = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        inputs = dict(numpy.load(folder / "inputs.npz"))
        found = network.run(None, inputs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    names = [output.name for output in network.get_outputs()]
    expected = dict(numpy.load(folder / "outputs.npz"))
    if sorted(names) != sorted(expected):
        return f"outputs {names}, expected {sorted(expected)}"
    for name, y in zip(names, found):
        wanted = expected[name]
        if (y.shape, y.dtype) != (wanted.shape, wanted.dtype):
            return f"{name}: {y.dtype} {y.shape}, expected {wanted.dtype} {wanted.shape}"
        if not numpy.allclose(y, wanted, rtol=1e-5, atol=1e-5):
            return f"{name}: off by {abs(y - wanted).max()}"
    return ""


onnxruntime.set_default_logger_severity(3)
folders = sorted(pathlib.Path(sys.argv[1]).iterdir())
wrong = [f"{folder.name}: {what}" for folder in folders if (what := held(folder))]
print("\n".join(wrong) or f"{len(folders)} networks agree")
sys.exit(bool(wrong))
