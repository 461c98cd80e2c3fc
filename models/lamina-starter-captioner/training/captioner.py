"""Runs the written package: pictures to sentences, greedily, with and without the cache."""

import json
import time
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

import grid
import mobilenet
import views


class Captioner:
    def __init__(self, folder: Path):
        self.encoder = mobilenet.session(folder / "encoder_model.onnx")
        self.decoder = mobilenet.session(folder / "decoder_model_merged.onnx")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.settings = json.loads((folder / "generation_config.json").read_text())
        self.caches = [i for i in self.decoder.get_inputs() if i.name.startswith("past_key_values.")]
        self.encoder_seconds = self.decoder_seconds = 0.0

    def states(self, picture) -> np.ndarray:
        started = time.process_time()
        out = self.encoder.run(None, {"pixel_values": mobilenet.normalised(views.fit(picture, grid.SIDE)[None])})[0]
        self.encoder_seconds += time.process_time() - started
        return out

    def step(self, ids, states, caches=None) -> tuple[np.ndarray, dict]:
        """Logits of the last token, and the caches after it."""
        feed = {"input_ids": np.array([ids], np.int64), "encoder_hidden_states": states, "use_cache_branch": np.array([caches is not None])}
        if caches is None:
            caches = {}
            for each in self.caches:
                length = 0 if ".decoder." in each.name else states.shape[1]
                caches[each.name] = np.zeros((1, each.shape[1], length, each.shape[3]), np.float32)
        names = [o.name for o in self.decoder.get_outputs()]
        started = time.process_time()
        out = dict(zip(names, self.decoder.run(names, feed | caches)))
        self.decoder_seconds += time.process_time() - started
        return out["logits"][0, -1], {name.replace("present", "past_key_values"): v for name, v in out.items() if name != "logits"}

    def tokens(self, states, use_cache=True) -> list[int]:
        """Token ids from the start to the stop, both included where they come."""
        ids = [self.settings["decoder_start_token_id"]]
        caches = None
        while len(ids) < self.settings["max_length"] and (len(ids) == 1 or ids[-1] != self.settings["eos_token_id"]):
            if use_cache and caches is not None:
                logits, new = self.step(ids[-1:], states, caches)
                caches = {name: new[name] if ".decoder." in name else caches[name] for name in caches}
            else:
                logits, caches = self.step(ids, states)
            ids.append(int(logits.argmax()))
        return ids

    def text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)
