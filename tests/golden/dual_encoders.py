"""Writes the folders `tiny-clip` and `tiny-siglip`: dual encoders of the two conventions with random weights, which know nothing, and the
token ids and vectors that `transformers` gives for a few texts and pictures.

CLIP: byte pairs with word ends, start and end tokens, filled up with the end token, at most 77; a projection after the end token.
SigLIP: pieces with an end token and no start, filled up to exactly 64 and without a mask, so that the filling is part of the meaning; the
vector is that of the last place.

Run with torch, transformers, tokenizers and onnx installed:

    python dual_encoders.py
"""

import hashlib
import json
import pathlib

import tokenizers
import torch
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerFast,
    SiglipTextConfig,
    SiglipTextModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

HERE = pathlib.Path(__file__).resolve().parent
SIZE = 32
WIDTH = 16
PICTURES = 3
TEXTS = [
    "a photo of a dog",
    "",
    "Two  RED boats, on the water!",
    "café — naïve 東京 🙂",
    "don't you think it's 12 o'clock?",
    "a photo of a very long road that goes on and on " * 8,
]
CORPUS = [
    "a photo of a dog on the road beside two red boats on the water",
    "don't think it's a very long photo, you can't",
    "the cat and the dog sit in front of a house with 12 windows",
    "a person holds a cup of coffee at the table near the window",
]
SMALL = {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def clip_tokenizer():
    """The pipeline of OpenAI's tokenizer as the hub's `tokenizer.json` has it, over its own few merges."""
    byte_pairs = tokenizers.Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    byte_pairs.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(tokenizers.Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    byte_pairs.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(words), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=640,
        show_progress=False,
        end_of_word_suffix="</w>",
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    byte_pairs.train_from_iterator(CORPUS, trainer)
    # Every byte also ends words; and the special tokens come last, as OpenAI has them.
    model = json.loads(byte_pairs.to_str())["model"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = list(dict.fromkeys(alphabet + [byte + "</w>" for byte in alphabet] + sorted(model["vocab"], key=model["vocab"].get)))
    names += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {name: number for number, name in enumerate(names)}
    merges = [tuple(merge) for merge in model["merges"]]
    byte_pairs.model = models.BPE(vocabulary, merges, unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix="")
    start, end = vocabulary["<|startoftext|>"], vocabulary["<|endoftext|>"]
    byte_pairs.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    byte_pairs.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", end), ("<|startoftext|>", start), False, False
    )
    return PreTrainedTokenizerFast(tokenizer_object=byte_pairs, pad_token="<|endoftext|>", eos_token="<|endoftext|>", model_max_length=77)


def siglip_tokenizer():
    """Pieces of one text, lower case and without punctuation, with the end token that also fills up."""
    pieces = tokenizers.Tokenizer(models.Unigram())
    pieces.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(tokenizers.Regex(r"[!-/:-@\[-`{-~]"), ""),
            normalizers.Replace(tokenizers.Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=96, show_progress=False, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    pieces.train_from_iterator([text.lower() for text in CORPUS], trainer)
    pieces.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", pieces.token_to_id("</s>"))])
    return PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="</s>", eos_token="</s>", unk_token="<unk>", model_max_length=64)


def picture(number):
    """The pictures of the reference, by a formula that the Rust test repeats."""
    places = torch.arange(3 * SIZE * SIZE, dtype=torch.float64)
    return torch.sin(places * 0.37 * (number + 1) + number).float().reshape(1, 3, SIZE, SIZE)


class Only(torch.nn.Module):
    """Takes one input and gives the named outputs, in the order and with the names of the common exports."""

    def __init__(self, model, takes, gives):
        super().__init__()
        self.model, self.takes, self.gives = model, takes, gives

    def forward(self, value):
        outputs = self.model(**{self.takes: value})
        return tuple(outputs[name] for name in self.gives)


def widen(model):
    """Random weights as models start with are too small to tell inputs apart."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def export(folder, name, model, takes, gives, example):
    sides = {0: "batch_size"} if example.dim() == 4 or folder.name == "tiny-siglip" else {0: "batch_size", 1: "sequence_length"}
    torch.onnx.export(
        Only(model, takes, gives).eval(),
        (example,),
        str(folder / name),
        input_names=[takes],
        output_names=gives,
        dynamic_axes={takes: sides, **{output: {0: "batch_size"} for output in gives}},
        opset_version=17,
        dynamo=False,
    )


def unit(vector):
    return [round(float(value), 7) for value in vector / vector.norm()]


def package(folder, tokenizer, length, text, vision, image_gives, text_gives, full):
    folder.mkdir(exist_ok=True)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    example = torch.full((2, length if full else 7), tokenizer.pad_token_id)
    export(folder, "text_model.onnx", text, "input_ids", text_gives, example)
    export(folder, "vision_model.onnx", vision, "pixel_values", image_gives, torch.cat([picture(0), picture(1)]))
    expected = {"texts": [], "images": []}
    with torch.no_grad():
        for line in TEXTS:
            ids = tokenizer([line], padding="max_length" if full else True, truncation=True, max_length=length, return_tensors="pt").input_ids
            vector = text(input_ids=ids)[text_gives[0]][0]
            expected["texts"].append({"text": line, "ids": ids[0].tolist(), "embedding": unit(vector)})
        batch = tokenizer(TEXTS, padding="max_length" if full else True, truncation=True, max_length=length).input_ids
        expected["batch"] = batch
        expected["images"] = [unit(vision(pixel_values=picture(number))[image_gives[0]][0]) for number in range(PICTURES)]
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")
    manifest(folder, tokenizer, length, full)


def manifest(folder, tokenizer, length, full):
    def file(name, role):
        data = (folder / name).read_bytes()
        return f'[[files]]\npath = "{name}"\nrole = "{role}"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\nbytes = {len(data)}\n'

    (folder / "model.toml").write_text(
        f"""name = "{folder.name}"
version = "1"
task = "image-text-embedding"
family = "dual-encoder"
licence = "Apache-2.0"
description = "Random weights for tests; it knows nothing."
source = "dual_encoders.py in the folder above"
dimension = {WIDTH}

{file("vision_model.onnx", "vision")}
{file("text_model.onnx", "text")}
{file("tokenizer.json", "tokenizer")}
[image]
size = {SIZE}
resize = "stretch"
filter = "bilinear"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]

[text]
max_length = {length}
pad_id = {tokenizer.pad_token_id}
pad_to_max = {str(full).lower()}
attention_mask = false

[index]
cluster_distances = [0.05, 0.1, 0.2, 0.3, 0.4]
anchor_distance = 0.3
outlier_distance = 0.6
duplicate_similarity = 0.97

[batch]
max_batch = 4
"""
    )


def main():
    torch.manual_seed(20261121)
    torch.set_num_threads(1)
    tokenizer = clip_tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=77,
        projection_dim=WIDTH,
        bos_token_id=len(tokenizer) - 2,
        eos_token_id=len(tokenizer) - 1,
        attn_implementation="eager",
        **SMALL,
    )
    vision = CLIPVisionConfig(image_size=SIZE, patch_size=16, projection_dim=WIDTH, attn_implementation="eager", **SMALL)
    package(
        HERE / "tiny-clip",
        tokenizer,
        77,
        widen(CLIPTextModelWithProjection(text)),
        widen(CLIPVisionModelWithProjection(vision)),
        ["image_embeds", "last_hidden_state"],
        ["text_embeds", "last_hidden_state"],
        full=False,
    )
    tokenizer = siglip_tokenizer()
    text = SiglipTextConfig(vocab_size=len(tokenizer), max_position_embeddings=64, projection_size=WIDTH, attn_implementation="eager", **SMALL)
    vision = SiglipVisionConfig(image_size=SIZE, patch_size=16, attn_implementation="eager", **SMALL)
    package(
        HERE / "tiny-siglip",
        tokenizer,
        64,
        widen(SiglipTextModel(text)),
        widen(SiglipVisionModel(vision)),
        ["pooler_output", "last_hidden_state"],
        ["pooler_output", "last_hidden_state"],
        full=True,
    )


main()
