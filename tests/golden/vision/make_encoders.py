"""Writes tiny CLIP, SigLIP and DINOv2 packages with random weights, laid out as the hub's exports are, and what PyTorch makes of them.

    python make_encoders.py

needs torch, transformers (5.23), tokenizers, onnx and onnxruntime. Graphs come from `torch.onnx.export`, expected vectors from PyTorch and
not from the graph. Seeded: a second run writes the same weights.
"""

import warnings

import numpy as np
import onnxruntime
import tokenizers
import torch
from packages import GOLDEN, package, picture, rounded, slim
from torch import nn
from transformers import CLIPConfig, CLIPModel, Dinov2Config, Dinov2Model, SiglipConfig, SiglipModel

warnings.filterwarnings("ignore")
CORPUS = [
    "a photo of a red dog on the beach", "two boats under a blue sky", "the small house beside a large tree", "a yellow car in the street",
    "a cat that sleeps on a green chair", "people who play in the snow", "an old bridge over the river at night", "fruit on a market stall",
]  # fmt: skip
SENTENCES = ["a photo of a red dog", "Two BOATS under the sky", "an unknown zebra", "", "a cat " * 12]


def widen(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            if value.dim() > 1:
                value.add_(torch.randn(value.shape, generator=generator) * value.shape[-1] ** -0.5)
    return model.eval()


def export(model, path, inputs, outputs, sample, axes):
    path.parent.mkdir(exist_ok=True)
    torch.onnx.export(model, sample, str(path), input_names=inputs, output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False)
    slim(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run([outputs[-1]], dict(zip(inputs, [value.numpy() for value in sample])))[0]
    with torch.no_grad():
        wanted = model(*sample)
    wanted = wanted[-1] if isinstance(wanted, tuple) else wanted
    print(path.parent.name, path.name, path.stat().st_size, float(np.abs(found - wanted.numpy()).max()))


class Call(nn.Module):
    """A function over a model as a module, for the exporter."""

    def __init__(self, model, function):
        super().__init__()
        self.model, self.function = model, function

    def forward(self, value):
        return self.function(self.model, value)


def unit(vector):
    vector = vector.detach().numpy().reshape(-1)
    return rounded(vector / np.linalg.norm(vector))


BANDS = """[index]
cluster_distances = [0.05, 0.1, 0.2, 0.3, 0.4]
anchor_distance = 0.3
outlier_distance = 0.6
duplicate_similarity = 0.97

[batch]
max_batch = 4
"""


def dual(folder, model, size, dimension, image, text, words, ids_of, see, read, read_names):
    """Both towers, their tokenizer and their reference."""
    axes = {"pixel_values": {0: "batch"}, **{name: {0: "batch"} for name in ("image_embeds", "pooler_output", "last_hidden_state")}}
    pixels = torch.tensor(np.stack([picture(number, size) for number in range(3)]))
    names = ["last_hidden_state", "pooler_output"] if read_names[0] == "last_hidden_state" else ["image_embeds"]
    export(Call(model, see), GOLDEN / folder / "vision_model.onnx", ["pixel_values"], names, (pixels,), axes)
    ids = [torch.tensor([ids_of(sentence)]) for sentence in SENTENCES]
    axes = {"input_ids": {0: "batch", 1: "length"}, **{name: {0: "batch"} for name in read_names}}
    export(Call(model, read), GOLDEN / folder / "text_model.onnx", ["input_ids"], read_names, (ids[0],), axes)
    words.save(str(GOLDEN / folder / "tokenizer.json"))
    last = lambda out: out[-1] if isinstance(out, tuple) else out  # noqa: E731
    with torch.no_grad():
        expected = {
            "images": [unit(last(see(model, row[None]))) for row in pixels],
            "texts": [{"text": s, "embedding": unit(last(read(model, row)))} for s, row in zip(SENTENCES, ids)],
        }
    files = [("vision_model.onnx", "vision"), ("text_model.onnx", "text"), ("tokenizer.json", "tokenizer")]
    package(
        folder, "dual-encoder", "image-text-embedding", f"dimension = {dimension}\n\n[image]\nsize = {size}\n{image}\n\n[text]\n{text}\n\n{BANDS}",
        files, expected,
    )  # fmt: skip


def clip():
    words = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    words.normalizer = tokenizers.normalizers.Sequence([tokenizers.normalizers.NFC(), tokenizers.normalizers.Lowercase()])
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = ["<|startoftext|>", "<|endoftext|>"]
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=220, special_tokens=special, end_of_word_suffix="</w>", show_progress=False)
    words.train_from_iterator(CORPUS, trainer)
    start, end = (words.token_to_id(token) for token in special)
    words.post_processor = tokenizers.processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>", special_tokens=[("<|startoftext|>", start), ("<|endoftext|>", end)]
    )
    length = 16
    config = CLIPConfig(
        text_config=dict(
            vocab_size=words.get_vocab_size(), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=length, projection_dim=24, bos_token_id=start, eos_token_id=end, pad_token_id=end,
        ),
        vision_config=dict(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8, projection_dim=24
        ),
        projection_dim=24,
    )  # fmt: skip
    torch.manual_seed(5)
    model = widen(CLIPModel(config), 15)

    def see(model, pixels):
        return model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)

    def read(model, ids):
        return model.text_projection(model.text_model(input_ids=ids).pooler_output)

    def ids_of(sentence):
        words.enable_truncation(length)
        ids = words.encode(sentence).ids
        words.no_truncation()
        return ids

    image = 'resize = "shortest-edge-crop"\nfilter = "bicubic"\nmean = [0.48145466, 0.4578275, 0.40821073]\nstd = [0.26862954, 0.26130258, 0.27577711]'
    text = f"max_length = {length}\npad_id = {end}\npad_to_max = false\nattention_mask = false"
    dual("small-clip", model, 32, 24, image, text, words, ids_of, see, read, ["text_embeds"])


def siglip():
    words = tokenizers.Tokenizer(tokenizers.models.Unigram())
    words.normalizer = tokenizers.normalizers.Lowercase()
    words.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=150, special_tokens=["</s>", "<pad>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    words.train_from_iterator(CORPUS * 4, trainer)
    words.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", words.token_to_id("</s>"))])
    length, pad = 16, words.token_to_id("<pad>")
    config = SiglipConfig(
        text_config=dict(
            vocab_size=words.get_vocab_size(), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=length, projection_size=32, pad_token_id=pad, eos_token_id=0, bos_token_id=0,
        ),
        vision_config=dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8),
    )  # fmt: skip
    torch.manual_seed(6)
    model = widen(SiglipModel(config), 16)

    def see(model, pixels):
        out = model.vision_model(pixel_values=pixels)
        return out.last_hidden_state, out.pooler_output

    def read(model, ids):
        out = model.text_model(input_ids=ids)
        return out.last_hidden_state, out.pooler_output

    def ids_of(sentence):
        """Filled up to the full length: the vector is that of the last place."""
        words.enable_truncation(length)
        ids = words.encode(sentence).ids
        words.no_truncation()
        return ids + [pad] * (length - len(ids))

    image = 'resize = "stretch"\nfilter = "bicubic"\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]'
    text = f"max_length = {length}\npad_id = {pad}\npad_to_max = true\nattention_mask = false"
    dual("small-siglip", model, 32, 32, image, text, words, ids_of, see, read, ["last_hidden_state", "pooler_output"])


def dinov2():
    config = Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=28, patch_size=7)
    torch.manual_seed(7)
    model = widen(Dinov2Model(config), 17)
    # Pictures have the size that the places are made for.
    model.embeddings.interpolate_pos_encoding = lambda *_: model.embeddings.position_embeddings
    pixels = torch.tensor(np.stack([picture(number, 28) for number in range(3)]))
    path = GOLDEN / "tiny-dinov2" / "model.onnx"
    tokens = Call(model, lambda model, value: model(pixel_values=value).last_hidden_state)
    axes = {"pixel_values": {0: "batch"}, "last_hidden_state": {0: "batch"}}
    export(tokens, path, ["pixel_values"], ["last_hidden_state"], (pixels,), axes)
    with torch.no_grad():
        expected = {"images": [unit(model(pixel_values=row[None]).pooler_output) for row in pixels]}
    image = 'shortest_edge = 32\nresize = "shortest-edge-crop"\nfilter = "bicubic"\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]'
    sections = f"dimension = 32\n\n[image]\nsize = 28\n{image}\n\n{BANDS}"
    package("tiny-dinov2", "image-encoder", "image-embedding", sections, [("model.onnx", "vision")], expected)


if __name__ == "__main__":
    clip()
    siglip()
    dinov2()
