"""Writes the tiny ViT + BART captioner of this folder and the texts that transformers generates with it.

Random weights: it knows nothing. Graphs, tensor names and caches are those of Optimum's image-to-text exports of vision-encoder-decoder
models with a BART-like decoder: caches of what was written and of the encoder's output. Run with torch, transformers, onnx, tokenizers:

    python make.py
"""

import pathlib
import sys

import torch
from transformers import BartConfig, VisionEncoderDecoderConfig, VisionEncoderDecoderModel, ViTConfig

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import captioner_export as tools  # noqa: E402

SIZE = 32
LAYERS = 2
PICTURES = 5
BEGIN, PAD, STOP = 0, 1, 2
MAX_TOKENS = 18

torch.manual_seed(20261121)
tokenizer = tools.byte_level(["<s>", "<pad>", "</s>", "<unk>"], 160)
vocabulary = tokenizer.get_vocab_size()

config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
    ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48, image_size=SIZE, patch_size=8),
    BartConfig(
        vocab_size=vocabulary, d_model=32, decoder_layers=LAYERS, decoder_attention_heads=2, decoder_ffn_dim=48, max_position_embeddings=32,
        encoder_layers=LAYERS, encoder_attention_heads=2, encoder_ffn_dim=16,
        bos_token_id=BEGIN, pad_token_id=PAD, eos_token_id=STOP, add_cross_attention=True, is_decoder=True, forced_eos_token_id=None,
    ),
)
model = VisionEncoderDecoderModel(config=config).eval()
model.set_attn_implementation("eager")
tools.widen(model, 1.3, torch.Generator().manual_seed(11))
model.decoder.tie_weights()
decoder = model.decoder.model.decoder
tools.lean_to(decoder.layers[-1].final_layer_norm, decoder.embed_tokens.weight.data, STOP, 3.4)
model.generation_config.update(
    decoder_start_token_id=STOP, eos_token_id=STOP, pad_token_id=PAD, bos_token_id=BEGIN, forced_bos_token_id=BEGIN, forced_eos_token_id=STOP
)


def main():
    pixels = tools.pictures(2, SIZE)
    encoder = tools.export(
        tools.PictureEncoder(model), (pixels,), ["pixel_values"], ["last_hidden_state"],
        {"pixel_values": {0: "batch_size"}, "last_hidden_state": {0: "batch_size"}},
    )
    tools.save(encoder, HERE / "encoder_model.onnx")
    states = model.encoder(pixels).last_hidden_state
    first, later, dummies = tools.export_with_encoder_caches(
        model.decoder, lambda **inputs: model.decoder(**inputs), "input_ids", torch.tensor([[2, 5, 9], [2, 8, 3]]), states, LAYERS
    )
    tools.save(first, HERE / "decoder_model.onnx")
    tools.save(tools.merge(first, later, dummies), HERE / "decoder_model_merged.onnx")
    tokenizer.save(str(HERE / "tokenizer.json"))
    tools.manifest(
        HERE,
        'name = "tiny-bart-captioner"\nversion = "1"\ntask = "image-captioning"\nfamily = "captioner"\nlicence = "Apache-2.0"\n'
        'description = "Random weights for tests; it knows nothing."\nsource = "make.py in this folder"\n',
        [("encoder_model.onnx", "encoder"), ("decoder_model_merged.onnx", "decoder"), ("tokenizer.json", "tokenizer")],
        f'[image]\nsize = {SIZE}\nresize = "stretch"\nfilter = "bilinear"\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n\n'
        f'[captioner]\nlayout = "encoder-decoder"\nstart_token = {STOP}\nstop_token = {STOP}\nforced_first_token = {BEGIN}\n'
        f"forced_last_token = {STOP}\nmax_tokens = {MAX_TOKENS}\n\n[batch]\nmax_batch = 4\n",
    )
    decode = lambda row: tokenizer.decode(row, skip_special_tokens=True).strip()  # noqa: E731
    cases = []
    for options in [
        {"num_beams": 1},
        {"num_beams": 3},
        {"num_beams": 3, "no_repeat_ngram_size": 3, "early_stopping": True},
        {"num_beams": 3, "no_repeat_ngram_size": 2, "length_penalty": 2.0},
        {"num_beams": 4, "length_penalty": -1.0},
    ]:
        texts = tools.generated(model, {"pixel_values": tools.pictures(PICTURES, SIZE)}, decode, max_new_tokens=MAX_TOKENS, **options)
        cases.append({"options": options, "texts": texts})
        print(options, *texts, sep="\n  ")
    tools.write_expected(HERE, {"cases": cases})


main()
