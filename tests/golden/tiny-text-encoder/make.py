"""Writes the tiny text encoder of this folder and its reference vectors: a BERT with random weights, which knows nothing.

It is exported the ordinary way, so that tests can check tensor names, prefixes and pooling against `transformers` with a file of a few
kilobytes. Run with torch, transformers, onnx and tokenizers installed:

    python make.py
"""

import hashlib
import json
import pathlib

import tokenizers
import torch
from transformers import BertConfig, BertModel

HERE = pathlib.Path(__file__).resolve().parent
MAX_LENGTH = 12
WIDTH = 16
QUERY, DOCUMENT = "query : ", "passage : "
SENTENCES = ["a dog", "A photo of two dogs, running!", "", "unheard words", "the red house on a hill and the red house on a hill and more"]
WORDS = "a the of on and two red blue dog house hill photo query passage : , ! run more word unheard ##s ##ning ##ed".split()


def tokenizer():
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    pieces = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    pieces.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    pieces.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    pieces.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    # As many files have it, and as no server wants it: the manifest decides.
    pieces.enable_padding(length=128)
    pieces.enable_truncation(128)
    return pieces, len(vocabulary)


def main():
    torch.manual_seed(20261121)
    torch.set_num_threads(1)
    pieces, words = tokenizer()
    pieces.save(str(HERE / "tokenizer.json"))
    config = BertConfig(
        vocab_size=words,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=MAX_LENGTH,
        # Wide, so that words and places make a difference.
        initializer_range=0.5,
    )
    model = BertModel(config, add_pooling_layer=False)
    model.set_attn_implementation("eager")
    model.eval()
    export(model)
    pieces.no_padding()
    pieces.enable_truncation(MAX_LENGTH)
    expected = [row(model, pieces, role, prefix, text) for role, prefix in [("query", QUERY), ("document", DOCUMENT)] for text in SENTENCES]
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    manifest()


def export(model):
    class Graph(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    # With a filled-up place: from an example without one the exporter learns that there is no mask.
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    example = (torch.ones(2, 5, dtype=torch.long), mask, torch.zeros(2, 5, dtype=torch.long))
    sides = {0: "batch_size", 1: "sequence_length"}
    torch.onnx.export(
        Graph().eval(),
        example,
        str(HERE / "text_model.onnx"),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: sides for name in [*names, "last_hidden_state"]},
        opset_version=17,
        dynamo=False,
    )


def row(model, pieces, role, prefix, text):
    ids = torch.tensor([pieces.encode(prefix + text).ids])
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
    pooled = {"mean": states.mean(0), "cls": states[0]}
    vectors = {name: [round(float(value), 7) for value in vector / vector.norm()] for name, vector in pooled.items()}
    return {"role": role, "text": text, **vectors}


def manifest():
    def file(name, role):
        data = (HERE / name).read_bytes()
        return f'[[files]]\npath = "{name}"\nrole = "{role}"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\nbytes = {len(data)}\n'

    (HERE / "model.toml").write_text(
        f"""name = "tiny-text-encoder"
version = "1"
task = "sentence-embedding"
family = "text-encoder"
licence = "Apache-2.0"
description = "Random weights for tests; it knows nothing."
source = "make.py in this folder"
dimension = {WIDTH}

{file("text_model.onnx", "text")}
{file("tokenizer.json", "tokenizer")}
[text]
max_length = {MAX_LENGTH}
pad_id = 0
pad_to_max = false
attention_mask = true
query_prefix = "{QUERY}"
document_prefix = "{DOCUMENT}"
pooling = "mean"

[batch]
max_batch = 4
"""
    )


main()
