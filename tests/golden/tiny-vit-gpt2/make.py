"""Writes the tiny ViT + GPT-2 captioner of this folder and the texts that transformers generates with it.

Random weights: it knows nothing. Graphs, tensor names and caches are those of Optimum's image-to-text exports of vision-encoder-decoder
models with a GPT-2 decoder: caches of what was written, none of the encoder's output. Run with torch, transformers, onnx, tokenizers:

    python make.py
"""

import pathlib
import sys

import torch
from transformers import GPT2Config, VisionEncoderDecoderConfig, VisionEncoderDecoderModel, ViTConfig
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import captioner_export as tools  # noqa: E402

SIZE = 32
LAYERS = 2
PICTURES = 5
STOP = 0
MAX_TOKENS = 16

torch.manual_seed(20261121)
tokenizer = tools.byte_level(["<|endoftext|>"], 160)
vocabulary = tokenizer.get_vocab_size()

config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
    ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48, image_size=SIZE, patch_size=8),
    GPT2Config(
        vocab_size=vocabulary, n_embd=32, n_layer=LAYERS, n_head=2, n_inner=48, n_positions=32,
        bos_token_id=STOP, eos_token_id=STOP, add_cross_attention=True, is_decoder=True,
    ),
)
model = VisionEncoderDecoderModel(config=config).eval()
model.set_attn_implementation("eager")
generator = torch.Generator().manual_seed(7)
tools.widen(model, 1.3, generator)
model.decoder.tie_weights()
tools.lean_to(model.decoder.transformer.ln_f, model.decoder.transformer.wte.weight.data, STOP, 2.2)
model.generation_config.update(decoder_start_token_id=STOP, eos_token_id=STOP, pad_token_id=STOP, bos_token_id=STOP)


class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder = model.decoder

    def forward(self, input_ids, encoder_hidden_states, *past):
        own = DynamicCache()
        for layer in range(len(past) // 2):
            own.update(past[2 * layer], past[2 * layer + 1], layer)
        cache = EncoderDecoderCache(own, DynamicCache())
        out = self.decoder(input_ids, encoder_hidden_states=encoder_hidden_states, past_key_values=cache, use_cache=True)
        values = [out.logits]
        for layer in out.past_key_values.self_attention_cache.layers:
            values += [layer.keys, layer.values]
        return tuple(values)


def main():
    pixels = tools.pictures(2, SIZE)
    encoder = tools.export(
        tools.PictureEncoder(model), (pixels,), ["pixel_values"], ["last_hidden_state"], {"pixel_values": {0: "batch_size"}, "last_hidden_state": {0: "batch_size"}}
    )
    tools.save(encoder, HERE / "encoder_model.onnx")

    states = model.encoder(pixels).last_hidden_state
    past_names = [f"past_key_values.{layer}.{kind}" for layer in range(LAYERS) for kind in ("key", "value")]
    names = [name.replace("past_key_values", "present") for name in past_names]
    axes = {
        "input_ids": {0: "batch_size", 1: "decoder_sequence_length"}, "encoder_hidden_states": {0: "batch_size"},
        "logits": {0: "batch_size", 1: "decoder_sequence_length"},
    }
    axes |= {name: {0: "batch_size", 2: "past_decoder_sequence_length"} for name in past_names}
    axes |= {name: {0: "batch_size", 2: "past_decoder_sequence_length + 1"} for name in names}
    ids = torch.tensor([[0, 5, 9], [0, 8, 3]])
    first = tools.export(Decoder(), (ids, states), ["input_ids", "encoder_hidden_states"], ["logits"] + names, axes)
    past = tuple(torch.randn(2, 2, 3, 16) for _ in past_names)
    later = tools.export(
        Decoder(), (ids[:, :1], states, *past), ["input_ids", "encoder_hidden_states", *past_names], ["logits"] + names, axes
    )
    tools.save(first, HERE / "decoder_model.onnx")
    tools.save(tools.merge(first, later, dummies=[]), HERE / "decoder_model_merged.onnx")
    tokenizer.save(str(HERE / "tokenizer.json"))
    tools.manifest(
        HERE,
        'name = "tiny-vit-gpt2"\nversion = "1"\ntask = "image-captioning"\nfamily = "captioner"\nlicence = "Apache-2.0"\n'
        'description = "Random weights for tests; it knows nothing."\nsource = "make.py in this folder"\n',
        [("encoder_model.onnx", "encoder"), ("decoder_model_merged.onnx", "decoder"), ("tokenizer.json", "tokenizer")],
        f'[image]\nsize = {SIZE}\nresize = "stretch"\nfilter = "bilinear"\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n\n'
        f'[captioner]\nlayout = "encoder-decoder"\nstart_token = {STOP}\nstop_token = {STOP}\nmax_tokens = {MAX_TOKENS}\n\n'
        "[batch]\nmax_batch = 4\n",
    )
    decode = lambda row: tokenizer.decode(row, skip_special_tokens=True).strip()  # noqa: E731
    cases = []
    for options in [
        {"num_beams": 1},
        {"num_beams": 1, "no_repeat_ngram_size": 2},
        {"num_beams": 3},
        {"num_beams": 3, "no_repeat_ngram_size": 3, "length_penalty": 2.0},
        {"num_beams": 4, "early_stopping": True, "length_penalty": 0.5},
    ]:
        texts = tools.generated(model, {"pixel_values": tools.pictures(PICTURES, SIZE)}, decode, max_new_tokens=MAX_TOKENS, **options)
        cases.append({"options": options, "texts": texts})
        print(options, *texts, sep="\n  ")
    tools.write_expected(HERE, {"cases": cases})


main()
