"""Writes encoder_model.onnx, decoder_model_merged.onnx, tokenizer.json and generation_config.json of the captioner.

    python export.py --trunk DIR --run DIR --out DIR

The decoder is one graph for both ways of calling it. Keys and values of the new tokens are appended to the caches that come
in, which are empty in the first step; only those of the encoder's states sit in an If: computed from the states while
`use_cache_branch` is false, passed on as they came while it is true.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

import generate
import grid
import mobilenet
import views
from model import HEADS, LAYERS, LENGTH, WIDTH, Decoder, Encoder
from onnx_files import shrink

EACH = WIDTH // HEADS
node = helper.make_node


def constants(arrays: dict) -> list:
    return [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in arrays.items()]


def encoder_graph(folder: Path, encoder: Encoder) -> onnx.ModelProto:
    nodes, weights = grid.nodes(mobilenet.load(folder))
    held = {k: v.double().numpy() for k, v in encoder.state_dict().items()}
    project = held["project.weight"] * held["scale"]
    arrays = {
        "project_weight": project.T,
        "place": held["place"] + held["project.bias"] - project @ held["mean"],
        "norm_weight": held["norm.weight"],
        "norm_bias": held["norm.bias"],
    }
    weights += constants({k: v.astype(np.float32) for k, v in arrays.items()})
    nodes += [
        node("MatMul", ["grid", "project_weight"], ["projected"]),
        node("Add", ["projected", "place"], ["placed"]),
        node("LayerNormalization", ["placed", "norm_weight", "norm_bias"], ["last_hidden_state"], axis=-1, epsilon=1e-5),
    ]
    inputs = [("pixel_values", TensorProto.FLOAT, ["batch_size", 3, grid.SIDE, grid.SIDE])]
    outputs = [("last_hidden_state", TensorProto.FLOAT, ["batch_size", grid.CELLS, WIDTH])]
    return mobilenet.build("lamina_starter_captioner_encoder", nodes, weights, inputs, outputs)


class Builder:
    """Collects nodes; every method gives the name of its result."""

    def __init__(self):
        self.nodes, self.count = [], 0

    def add(self, kind, inputs, name=None, **attributes) -> str:
        self.count += 1
        name = name or f"{kind.lower()}_{self.count}"
        self.nodes.append(node(kind, inputs, [name], **attributes))
        return name

    def linear(self, x, name) -> str:
        return self.add("Add", [self.add("MatMul", [x, f"{name}.weight"]), f"{name}.bias"])

    def norm(self, x, name) -> str:
        return self.add("LayerNormalization", [x, f"{name}.weight", f"{name}.bias"], axis=-1, epsilon=1e-5)

    def heads(self, x, name=None) -> str:
        """[b,t,WIDTH] -> [b,HEADS,t,EACH]."""
        return self.add("Transpose", [self.add("Reshape", [x, "to_heads"])], name, perm=[0, 2, 1, 3])

    def attend(self, query, keys, values, mask=None) -> str:
        scores = self.add("MatMul", [query, self.add("Transpose", [keys], perm=[0, 1, 3, 2])])
        scores = self.add("Mul", [scores, "attention_scale"])
        if mask:
            scores = self.add("Add", [scores, mask])
        mixed = self.add("MatMul", [self.add("Softmax", [scores], axis=-1), values])
        return self.add("Reshape", [self.add("Transpose", [mixed], perm=[0, 2, 1, 3]), "from_heads"])


def cached(layer: int) -> list[str]:
    return [f"{layer}.{side}.{part}" for side in ("decoder", "encoder") for part in ("key", "value")]


def states_branches(layer: int) -> tuple:
    """Subgraphs that give the encoder's keys and values: (computed, passed on)."""
    computed, passed = Builder(), Builder()
    for part in ("key", "value"):
        linear = computed.add("Add", [computed.add("MatMul", ["encoder_hidden_states", f"layers.{layer}.other.{part}.weight"], f"raw_{layer}_{part}"), f"layers.{layer}.other.{part}.bias"], f"sum_{layer}_{part}")
        split = computed.add("Reshape", [linear, "to_heads"], f"split_{layer}_{part}")
        computed.add("Transpose", [split], f"computed_{layer}_{part}", perm=[0, 2, 1, 3])
        passed.add("Identity", [f"past_key_values.{layer}.encoder.{part}"], f"passed_{layer}_{part}")
    shape = ["batch_size", HEADS, "encoder_sequence_length", EACH]

    def wrapped(builder, kind):
        outputs = [helper.make_tensor_value_info(f"{kind}_{layer}_{part}", TensorProto.FLOAT, shape) for part in ("key", "value")]
        return helper.make_graph(builder.nodes, f"{kind}_{layer}", [], outputs)

    return wrapped(computed, "computed"), wrapped(passed, "passed")


def decoder_graph(decoder: Decoder) -> onnx.ModelProto:
    held = {k: v.float().numpy() for k, v in decoder.state_dict().items()}
    arrays = {k: (v.T if v.ndim == 2 and k.startswith("layers") else v) for k, v in held.items()}
    arrays |= {
        "to_heads": np.array([0, 0, HEADS, EACH], np.int64),
        "from_heads": np.array([0, 0, WIDTH], np.int64),
        "attention_scale": np.array(EACH**-0.5, np.float32),
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "axis_one": np.array([1], np.int64),
        "hidden": np.array(-1e9, np.float32),
        "shown": np.array(0.0, np.float32),
    }
    b = Builder()
    past = b.add("Gather", [b.add("Shape", ["past_key_values.0.decoder.key"], start=2, end=3), "zero"], axis=0)
    length = b.add("Gather", [b.add("Shape", ["input_ids"], start=1, end=2), "zero"], axis=0)
    end = b.add("Add", [past, length])
    places = b.add("Range", [past, end, "one"])
    seen = b.add("LessOrEqual", [b.add("Range", ["zero", end, "one"]), b.add("Unsqueeze", [places, "axis_one"])])
    mask = b.add("Where", [seen, "shown", "hidden"])
    x = b.add("Add", [b.add("Gather", ["tokens.weight", "input_ids"], axis=0), b.add("Gather", ["places.weight", places], axis=0)])
    flag = b.add("Squeeze", ["use_cache_branch"])
    for i in range(LAYERS):
        layer = f"layers.{i}"
        inner = b.norm(x, f"{layer}.norm1")
        for part in ("key", "value"):
            new = b.heads(b.linear(inner, f"{layer}.own.{part}"))
            b.add("Concat", [f"past_key_values.{i}.decoder.{part}", new], f"present.{i}.decoder.{part}", axis=2)
        query = b.heads(b.linear(inner, f"{layer}.own.query"))
        mixed = b.attend(query, f"present.{i}.decoder.key", f"present.{i}.decoder.value", mask)
        x = b.add("Add", [x, b.linear(mixed, f"{layer}.own.out")])
        computed, passed = states_branches(i)
        b.nodes.append(node("If", [flag], [f"present.{i}.encoder.key", f"present.{i}.encoder.value"], then_branch=passed, else_branch=computed))
        query = b.heads(b.linear(b.norm(x, f"{layer}.norm2"), f"{layer}.other.query"))
        mixed = b.attend(query, f"present.{i}.encoder.key", f"present.{i}.encoder.value")
        x = b.add("Add", [x, b.linear(mixed, f"{layer}.other.out")])
        wide = b.add("Relu", [b.linear(b.norm(x, f"{layer}.norm3"), f"{layer}.widen")])
        x = b.add("Add", [x, b.linear(wide, f"{layer}.narrow")])
    b.add("MatMul", [b.norm(x, "norm"), b.add("Transpose", ["tokens.weight"], perm=[1, 0])], "logits")

    inputs = [
        ("input_ids", TensorProto.INT64, ["batch_size", "decoder_sequence_length"]),
        ("encoder_hidden_states", TensorProto.FLOAT, ["batch_size", "encoder_sequence_length", WIDTH]),
    ]
    outputs = [("logits", TensorProto.FLOAT, ["batch_size", "decoder_sequence_length", held["tokens.weight"].shape[0]])]
    for i in range(LAYERS):
        for name in cached(i):
            old = "past_decoder_sequence_length" if "decoder" in name else "encoder_sequence_length_out"
            new = "past_decoder_sequence_length + decoder_sequence_length" if "decoder" in name else "encoder_sequence_length_out"
            inputs.append((f"past_key_values.{name}", TensorProto.FLOAT, ["batch_size", HEADS, old, EACH]))
            outputs.append((f"present.{name}", TensorProto.FLOAT, ["batch_size", HEADS, new, EACH]))
    inputs.append(("use_cache_branch", TensorProto.BOOL, [1]))
    return mobilenet.build("lamina_starter_captioner_decoder", b.nodes, constants(arrays), inputs, outputs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunk", "run", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    saved = torch.load(options.run / "weights.pt")
    encoder = Encoder(saved["encoder"]["mean"], saved["encoder"]["scale"])
    encoder.load_state_dict(saved["encoder"])
    decoder = Decoder(saved["decoder"]["tokens.weight"].shape[0])
    decoder.load_state_dict(saved["decoder"])
    encoder.eval(), decoder.eval()
    graphs = {"encoder_model": encoder_graph(options.trunk, encoder), "decoder_model_merged": decoder_graph(decoder)}
    small = {name: shrink(model) for name, model in graphs.items()}
    for name, model in small.items():
        onnx.save(model, options.out / f"{name}.onnx")
    (options.out / "tokenizer.json").write_bytes((options.run / "tokenizer.json").read_bytes())
    settings = {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, "max_length": LENGTH, "num_beams": 1}
    (options.out / "generation_config.json").write_text(json.dumps(settings, indent=1) + "\n")

    pictures = np.stack([views.fit(generate.scene(i).picture, grid.SIDE) for i in range(6)])
    pixels = {"pixel_values": mobilenet.normalised(pictures)}
    ids = torch.randint(3, 900, (6, 9))
    with torch.no_grad():
        states = encoder(torch.from_numpy(grid.session(options.trunk).run(None, pixels)[0]))
        reference = decoder(ids, states).numpy()
    empty = {f"past_key_values.{n}": np.zeros((6, HEADS, 0, EACH), np.float32) for i in range(LAYERS) for n in cached(i)}
    for kind, models in (("float32", graphs), ("written", small)):
        found = mobilenet.session(models["encoder_model"]).run(None, pixels)[0]
        run = mobilenet.session(models["decoder_model_merged"])
        feed = {"input_ids": ids.numpy(), "encoder_hidden_states": states.numpy(), "use_cache_branch": np.array([False]), **empty}
        logits = run.run(["logits"], feed)[0]
        print(kind, "largest difference, states", np.abs(found - states.numpy()).max(), "logits", np.abs(logits - reference).max())
    for name in ("encoder_model.onnx", "decoder_model_merged.onnx", "tokenizer.json"):
        print(name, (options.out / name).stat().st_size)


if __name__ == "__main__":
    main()
