"""What the makers of the tiny captioners share: pictures, tokenizers, merged decoders, manifests and expected texts.

Needs torch, transformers, onnx and tokenizers. Everything is seeded; `expected.json` holds what `generate` of transformers says, and
only texts that 64-bit arithmetic gives as well, so that rounding cannot decide a test.
"""

import hashlib
import io
import json

import numpy as np
import onnx
import tokenizers
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import decoders, models, pre_tokenizers, processors, trainers
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

OPSET = 17
IR_VERSION = 8
WORDS = (
    "a dog runs on the beach with a red ball. two people sit at a small table in the kitchen. "
    "a man rides a bike down the street near a bus. the cat sleeps on a blue sofa beside a window. "
    "a woman holds an umbrella in the rain. a plate of food with rice and green beans. "
    "what does the image describe? locate the objects in the picture. what does the region describe? car and wheel."
)


def picture(number, size):
    """The same numbers as the Rust tests compute."""
    place = np.arange(3 * size * size, dtype=np.float64)
    return np.sin(place * 0.37 * (number + 1.0) + number).astype(np.float32).reshape(1, 3, size, size)


def pictures(count, size):
    return torch.from_numpy(np.concatenate([picture(number, size) for number in range(count)]))


def byte_level(specials, vocabulary, template=None, locations=False):
    """A byte-level BPE as GPT-2 and BART have it, of letters that occur in WORDS only."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted({letter for piece, _ in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(WORDS + " <>/_s") for letter in piece})
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([WORDS], trainer)
    if locations:
        places = [tokenizers.AddedToken(f"<loc_{place}>", special=True, normalized=False) for place in range(1000)]
        tokenizer.add_special_tokens(places)
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[(token, tokenizer.token_to_id(token)) for token in specials]
        )
    return tokenizer


def export(module, inputs, names, outputs, axes):
    """One graph, by the TorchScript exporter."""
    file = io.BytesIO()
    module.eval()
    with torch.no_grad():
        torch.onnx.export(
            module, inputs, file, input_names=names, output_names=outputs, dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )
    model = onnx.load_model_from_string(file.getvalue())
    model.ir_version = IR_VERSION
    model.producer_version = ""
    shorten(model.graph, set(names) | set(outputs))
    return model


def shorten(graph, keep):
    """Short names inside a graph: the exporter's are longer than the weights of a tiny model."""
    short = {}

    def name(value):
        return value if value in keep or not value else short.setdefault(value, f"v{len(short)}")

    for tensor in graph.initializer:
        tensor.name = name(tensor.name)
    for node in graph.node:
        node.name = node.doc_string = ""
        node.input[:] = [name(value) for value in node.input]
        node.output[:] = [name(value) for value in node.output]
    del graph.value_info[:]


def rename(graph, prefix, keep):
    """Puts a prefix before every value of a graph but those in `keep`, so that two graphs can live in one."""
    def name(value):
        return value if value in keep or not value else prefix + value

    for node in graph.node:
        node.input[:] = [name(value) for value in node.input]
        node.output[:] = [name(value) for value in node.output]
        for attribute in node.attribute:
            assert attribute.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS), "nested graphs"
    for output in graph.output:
        output.name = name(output.name)


def merge(first, later, dummies):
    """One decoder with both branches, as Optimum's merge makes it: `use_cache_branch` chooses, weights are shared outside the branches,
    and `dummies` are the outputs that the branch with caches has no values for."""
    shared = {}
    branches = []
    for model, prefix in [(first, "first/"), (later, "later/")]:
        graph = model.graph
        inputs = {value.name for value in graph.input}
        names = {}
        for tensor in graph.initializer:
            content = (tuple(tensor.dims), tensor.data_type, numpy_helper.to_array(tensor).tobytes())
            shared.setdefault(content, (f"weight/{len(shared)}", tensor))
            names[tensor.name] = shared[content][0]
        for node in graph.node:
            node.input[:] = [names.get(value, value) for value in node.input]
        rename(graph, prefix, inputs | set(names.values()))
        branches.append((graph, inputs))
    (first_graph, _), (later_graph, _) = branches
    outputs = [value.name.removeprefix("first/") for value in first_graph.output]
    made = {value.name.removeprefix("later/"): value for value in later_graph.output}
    later_outputs, extra = [], []
    for output in outputs:
        if output in made:
            later_outputs.append(made[output])
        else:
            assert output in dummies, output
            zero = numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32))
            extra.append(helper.make_node("Constant", [], ["later/" + output], name="later/dummy/" + output, value=zero))
            later_outputs.append(helper.make_tensor_value_info("later/" + output, TensorProto.FLOAT, [1, 1, 1, 1]))
    then = helper.make_graph(list(later_graph.node) + extra, "later", [], later_outputs)
    other = helper.make_graph(list(first_graph.node), "first", [], list(first_graph.output))
    switch = helper.make_node("If", ["use_cache_branch"], outputs, name="switch", then_branch=then, else_branch=other)
    inputs = {value.name: value for value in list(later_graph.input) + list(first_graph.input)}
    # The first branch reads a whole text, the other one token: the length varies.
    for value in first_graph.input:
        inputs[value.name] = value
    inputs = list(inputs.values()) + [helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])]
    weights = []
    for name, tensor in shared.values():
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = name
        weights.append(copy)
    infos = []
    for value in first_graph.output:
        info = onnx.ValueInfoProto()
        info.CopyFrom(value)
        info.name = value.name.removeprefix("first/")
        if info.name in dummies:
            for place, side in enumerate(info.type.tensor_type.shape.dim):
                side.Clear()
                side.dim_param = f"{info.name}_{place}"
        infos.append(info)
    graph = helper.make_graph([switch], "merged", inputs, infos, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="lamina-make")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model


def save(model, path):
    path.write_bytes(model.SerializeToString(deterministic=True))


def manifest(folder, head, files, tail):
    text = head.strip() + "\n"
    for name, role in files:
        content = (folder / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        text += f'\n[[files]]\npath = "{name}"\nrole = "{role}"\nsha256 = "{digest}"\nbytes = {len(content)}\n'
    (folder / "model.toml").write_text(text + "\n" + tail.strip() + "\n")


def widen(module, factor, generator):
    """Random weights of the usual size make every token of a text the same; larger ones make it wander."""
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1:
            parameter.data = torch.randn(parameter.shape, generator=generator) * factor / parameter.shape[-1] ** 0.5
        elif name.endswith("bias"):
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1


def lean_to(norm, rows, token, amount):
    """Moves the last normalisation so that one token is likelier everywhere: else hardly a text would end."""
    row = rows[token]
    norm.bias.data += amount * row / row.norm() ** 2


def generated(model, inputs, decode, **options):
    """The texts of `generate`, the same in 32 and 64 bits and with and without caches."""
    options.setdefault("do_sample", False)
    texts = []
    for kind in (torch.float32, torch.float64):
        for use_cache in (True, False):
            model.to(kind)
            with torch.no_grad():
                typed = {name: value.to(kind) if value.is_floating_point() else value for name, value in inputs.items()}
                ids = model.generate(**typed, use_cache=use_cache, **options)
            texts.append([decode(row.tolist()) for row in ids])
    model.to(torch.float32)
    assert all(found == texts[0] for found in texts), ("rounding decides", texts)
    return texts[0]


class PictureEncoder(torch.nn.Module):
    """The encoder of a vision-encoder-decoder model."""

    def __init__(self, model):
        super().__init__()
        self.encoder = model.encoder
        self.projection = getattr(model, "enc_to_dec_proj", None)

    def forward(self, pixel_values):
        states = self.encoder(pixel_values).last_hidden_state
        return self.projection(states) if self.projection is not None else states


class BartDecoder(torch.nn.Module):
    """A BART-like decoder with its caches as inputs and outputs; `past` is empty or four blocks a layer."""

    def __init__(self, model, run, tokens, with_mask):
        super().__init__()
        # Held only so that the exporter finds the weights.
        self.model, self.run, self.tokens, self.with_mask = model, run, tokens, with_mask

    def forward(self, tokens, encoder_hidden_states, *rest):
        inputs = {self.tokens: tokens, "encoder_hidden_states": encoder_hidden_states}
        if self.with_mask:
            inputs["encoder_attention_mask"], rest = rest[0], rest[1:]
        own, others = DynamicCache(), DynamicCache()
        for layer in range(len(rest) // 4):
            own.update(rest[4 * layer], rest[4 * layer + 1], layer)
            others.update(rest[4 * layer + 2], rest[4 * layer + 3], layer)
        out = self.run(**inputs, past_key_values=EncoderDecoderCache(own, others), use_cache=True)
        values = [out.logits]
        caches = out.past_key_values
        for mine, theirs in zip(caches.self_attention_cache.layers, caches.cross_attention_cache.layers):
            values += [mine.keys, mine.values]
            if not rest:
                values += [theirs.keys, theirs.values]
        return tuple(values)


def export_with_encoder_caches(model, run, tokens, example, states, layers, with_mask=False):
    """Both branches of a decoder with encoder caches, and the outputs that only the first has."""
    kinds = [(side, kind) for side in ("decoder", "encoder") for kind in ("key", "value")]
    past_names = [f"past_key_values.{layer}.{side}.{kind}" for layer in range(layers) for side, kind in kinds]
    names = [name.replace("past_key_values", "present") for name in past_names]
    dummies = [name for name in names if ".encoder." in name]
    axes = {
        tokens: {0: "batch_size", 1: "decoder_sequence_length"},
        "encoder_hidden_states": {0: "batch_size", 1: "encoder_sequence_length"},
        "encoder_attention_mask": {0: "batch_size", 1: "encoder_sequence_length"},
        "logits": {0: "batch_size", 1: "decoder_sequence_length"},
    }
    for name in past_names + names:
        axes[name] = {0: "batch_size", 2: ("past_" if name in past_names else "") + name.split(".")[2] + "_sequence_length"}
    mask = [torch.ones(states.shape[:2], dtype=torch.int64)] if with_mask else []
    shared = [tokens, "encoder_hidden_states"] + (["encoder_attention_mask"] if with_mask else [])
    module = BartDecoder(model, run, tokens, with_mask)
    used = lambda listed: {name: axes[name] for name in listed}  # noqa: E731
    first = export(module, (example, states, *mask), shared, ["logits"] + names, used(shared + ["logits"] + names))
    with torch.no_grad():
        present = module(example, states, *mask)[1:]
    kept = [name for name in names if name not in dummies]
    later = export(
        module, (example[:, :1], states, *mask, *present), shared + past_names, ["logits"] + kept, used(shared + past_names + ["logits"] + kept),
    )
    return first, later, dummies


def write_expected(folder, expected):
    (folder / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")
