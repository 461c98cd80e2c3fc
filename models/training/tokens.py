"""Trains the byte-pair tokenizer on the captions and on a list of English words.

The list is the vocabulary of the ImageNet labels, the class words and `english.txt`; nothing is ever unknown, because
every printable ASCII character is in the alphabet.
"""

import string
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

START, END, UNKNOWN = "<start>", "<end>", "<unk>"  # ids 0, 1, 2; padding is END
LENGTH = 32


def train(texts, size: int = 4096) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    alphabet = [c for c in string.printable if c.strip()]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[START, END, UNKNOWN],
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, 0), (END, 1)]
    )
    tokenizer.enable_truncation(LENGTH)
    return tokenizer


def english() -> list[str]:
    return (Path(__file__).parent / "english.txt").read_text().split()
