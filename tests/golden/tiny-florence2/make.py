"""Writes the tiny Florence-2 of this folder and the texts that transformers generates with it.

Random weights: it knows nothing. There is no ordinary exporter for Florence-2, so its four graphs are cut out of transformers' own
implementation here, with the names and meanings of the usual ONNX conversions: `vision_encoder` (pixels to image features),
`embed_tokens`, `encoder_model` (features and prompt together), `decoder_model_merged` (embeddings of the written tokens, all caches).
Run with torch, transformers, onnx, tokenizers:

    python make.py
"""

import json
import pathlib
import re
import sys

import torch
from transformers import BartConfig, Florence2Config, Florence2ForConditionalGeneration
from transformers.models.florence2.configuration_florence2 import Florence2VisionConfig
from transformers.models.florence2.processing_florence2 import Florence2PostProcessor

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import captioner_export as tools  # noqa: E402

SIZE = 64
LAYERS = 2
PICTURES = 4
BEGIN, PAD, STOP = 0, 1, 2
MAX_TOKENS = 24
PROMPTS = {
    "<CAPTION>": "What does the image describe?",
    "<OD>": "Locate the objects with category name in the image.",
    "<DENSE_REGION_CAPTION>": "Locate the objects in the image, with their descriptions.",
    "<REGION_TO_DESCRIPTION>": "What does the region {input} describe?",
}
ANSWERS = [
    "a dog<loc_100><loc_200><loc_300><loc_400>a red ball<loc_5><loc_6><loc_700><loc_999>",
    "wheel<loc_1><loc_2><loc_3><loc_4><loc_500><loc_600><loc_700><loc_800>car<loc_0><loc_0><loc_999><loc_999>",
    "a man rides a bike<loc_52><loc_332><loc_932><loc_774>the street",
]
REGIONS = [[52, 332, 932, 774], [0, 0, 999, 999], [100, 200, 300, 400]]

torch.manual_seed(20261121)
specials = ["<s>", "<pad>", "</s>", "<unk>"]
tokenizer = tools.byte_level(specials, 150, "<s> $A </s>", locations=True)
places = tokenizer.token_to_id("<loc_0>")
vocabulary = tokenizer.get_vocab_size()
IMAGE_TOKEN = vocabulary

config = Florence2Config(
    vision_config=Florence2VisionConfig(
        depths=(1, 1, 1, 1), embed_dim=(8, 8, 16, 16), num_heads=(1, 1, 2, 2), num_groups=(1, 1, 2, 2), window_size=4, projection_dim=32,
        max_position_embeddings=8, max_temporal_embeddings=4,
    ).to_dict(),
    text_config=BartConfig(
        vocab_size=vocabulary + 1, d_model=32, encoder_layers=LAYERS, decoder_layers=LAYERS, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=96, bos_token_id=BEGIN, pad_token_id=PAD, eos_token_id=STOP,
        forced_eos_token_id=None,
    ).to_dict(),
    image_token_id=IMAGE_TOKEN,
    bos_token_id=BEGIN, pad_token_id=PAD, eos_token_id=STOP,
)
model = Florence2ForConditionalGeneration(config).eval()
model.set_attn_implementation("eager")
tools.widen(model, 1.3, torch.Generator().manual_seed(5))
language = model.model.language_model
shared = language.shared.weight.data
# A thousand places would drown a hundred words.
shared[places:] *= 0.8
model.tie_weights()
tools.lean_to(language.decoder.layers[-1].final_layer_norm, shared, STOP, 1.2)
model.generation_config.update(
    decoder_start_token_id=STOP, eos_token_id=STOP, pad_token_id=PAD, bos_token_id=BEGIN, forced_bos_token_id=BEGIN, forced_eos_token_id=STOP
)


class Vision(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model.model.get_image_features(pixel_values).pooler_output


class Embeddings(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = language.encoder.embed_tokens

    def forward(self, input_ids):
        return self.embed(input_ids)


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = language.encoder

    def forward(self, inputs_embeds, attention_mask):
        return self.encoder(inputs_embeds=inputs_embeds, attention_mask=attention_mask).last_hidden_state


class Output:
    def __init__(self, logits, past_key_values):
        self.logits, self.past_key_values = logits, past_key_values


class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder, self.head = language.decoder, model.lm_head

    def forward(self, **inputs):
        out = self.decoder(**inputs)
        return Output(self.head(out.last_hidden_state), out.past_key_values)


def export():
    pixels = tools.pictures(2, SIZE)
    batch = {0: "batch_size"}
    length = {0: "batch_size", 1: "sequence_length"}
    vision = tools.export(Vision(), (pixels,), ["pixel_values"], ["image_features"], {"pixel_values": batch, "image_features": batch})
    tools.save(vision, HERE / "vision_encoder.onnx")
    ids = torch.tensor([[0, 5, 9, 2], [0, 8, 3, 2]])
    embeddings = tools.export(Embeddings(), (ids,), ["input_ids"], ["inputs_embeds"], {"input_ids": length, "inputs_embeds": length})
    tools.save(embeddings, HERE / "embed_tokens.onnx")
    with torch.no_grad():
        features = Vision()(pixels)
        joined = torch.cat([features, language.encoder.embed_tokens(ids)], dim=1)
        mask = torch.ones(joined.shape[:2], dtype=torch.int64)
        states = Encoder()(joined, mask)
    encoder = tools.export(
        Encoder(), (joined, mask), ["inputs_embeds", "attention_mask"], ["last_hidden_state"],
        {"inputs_embeds": length, "attention_mask": length, "last_hidden_state": length},
    )
    tools.save(encoder, HERE / "encoder_model.onnx")
    decoder = Decoder()
    example = language.decoder.embed_tokens(torch.tensor([[2, 0, 9], [2, 0, 3]])).detach()
    first, later, dummies = tools.export_with_encoder_caches(
        decoder, lambda **inputs: decoder(**inputs), "inputs_embeds", example, states, LAYERS, with_mask=True
    )
    tools.save(first, HERE / "decoder_model.onnx")
    tools.save(tools.merge(first, later, dummies), HERE / "decoder_model_merged.onnx")
    tokenizer.save(str(HERE / "tokenizer.json"), pretty=False)
    files = [
        ("vision_encoder.onnx", "vision"), ("embed_tokens.onnx", "embed-tokens"), ("encoder_model.onnx", "encoder"),
        ("decoder_model_merged.onnx", "decoder"), ("tokenizer.json", "tokenizer"),
    ]
    tools.manifest(
        HERE,
        'name = "tiny-florence2"\nversion = "1"\ntask = "image-captioning"\nfamily = "captioner"\nlicence = "Apache-2.0"\n'
        'description = "Random weights for tests; it knows nothing."\nsource = "make.py in this folder"\n',
        files,
        f'[image]\nsize = {SIZE}\nresize = "stretch"\nfilter = "bicubic"\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n\n'
        f'[captioner]\nlayout = "florence2"\nstart_token = {STOP}\nstop_token = {STOP}\nforced_first_token = {BEGIN}\n'
        f'forced_last_token = {STOP}\nmax_tokens = {MAX_TOKENS}\nmax_prompt_tokens = 80\ndefault_prompt = "<CAPTION>"\n\n[captioner.prompts]\n'
        + "".join(f"{json.dumps(task)} = {json.dumps(words)}\n" for task, words in PROMPTS.items())
        + "\n[batch]\nmax_batch = 4\n",
    )
    return features.shape[1]


def inputs(features, words, pixels):
    ids = [IMAGE_TOKEN] * features + tokenizer.encode(words).ids
    return {"input_ids": torch.tensor([ids] * len(pixels)), "attention_mask": torch.ones(len(pixels), len(ids), dtype=torch.int64), "pixel_values": pixels}


def main():
    features = export()
    pixels = tools.pictures(PICTURES, SIZE)
    marked = lambda row: tokenizer.decode([token for token in row if token not in (BEGIN, PAD, STOP)], skip_special_tokens=False)  # noqa: E731
    cases = []
    for prompt, options in [
        ("<CAPTION>", {"num_beams": 1}),
        ("<CAPTION>", {"num_beams": 3, "no_repeat_ngram_size": 3, "early_stopping": True}),
        ("a red ball on the beach", {"num_beams": 1, "no_repeat_ngram_size": 2}),
        ("the <s> and </s> of <loc_7>", {"num_beams": 3}),
    ]:
        # What somebody types is words, whatever it looks like.
        tokenizer.encode_special_tokens = prompt not in PROMPTS
        given = inputs(features, PROMPTS.get(prompt, prompt), pixels)
        tokenizer.encode_special_tokens = False
        answers = tools.generated(model, given, marked, max_new_tokens=MAX_TOKENS, **options)
        cases.append({"options": {"prompt": prompt, **options}, "texts": [words_of(answer) for answer in answers], "marked": answers})
    located = []
    for task in ["<OD>", "<DENSE_REGION_CAPTION>"]:
        # No place twice, else no box has an area.
        options = {"num_beams": 1, "no_repeat_ngram_size": 1}
        answers = tools.generated(model, inputs(features, PROMPTS[task], pixels), marked, max_new_tokens=MAX_TOKENS, **options)
        located.append({"options": {"prompt": task, **options}, "marked": answers, "found": [boxes_of(answer) for answer in answers]})
    regions = []
    for region in REGIONS:
        words = PROMPTS["<REGION_TO_DESCRIPTION>"].replace("{input}", "".join(f"<loc_{place}>" for place in region))
        answers = tools.generated(model, inputs(features, words, pixels), marked, max_new_tokens=MAX_TOKENS, num_beams=3)
        regions.append({"region": region, "texts": [words_of(answer) for answer in answers], "marked": answers})
    # How the reference reads answers that are as they should be.
    reader = Florence2PostProcessor.__new__(Florence2PostProcessor)
    reader.quantize_bins = (1000, 1000)
    read = []
    for answer in ANSWERS:
        found = reader.parse_description_with_bboxes_from_text_and_spans(answer, image_size=(100000, 100000))
        read.append({"marked": answer, "found": [{"text": box["cat_name"], "box": [side / 100000 for side in box["bbox"]]} for box in found]})
        assert read[-1]["found"] == boxes_of(answer), (read[-1], boxes_of(answer))
    expected = {"cases": cases, "located": located, "regions": regions, "read": read}
    tools.write_expected(HERE, expected)
    print(json.dumps(expected, indent=1))


def boxes_of(answer):
    """Words and the boxes that follow them: every four places, if they make a box with an area."""
    found = []
    for words, places in re.findall(r"((?:(?!<loc_).)*)((?:<loc_\d+>)+)", answer):
        sides = [(int(place) + 0.5) / 1000 for place in re.findall(r"\d+", places)]
        for box in zip(*[iter(sides)] * 4):
            if box[2] > box[0] and box[3] > box[1]:
                found.append({"text": words.strip(), "box": list(box)})
    return found


def words_of(answer):
    """Places left out; what they separate is listed once each."""
    parts = [part.strip() for part in re.split(r"(?:<loc_\d+>)+", answer)]
    return ", ".join(dict.fromkeys(part for part in parts if part))


main()
