"""Runs the written package: pictures and sentences to unit vectors."""

import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image
from tokenizers import Tokenizer

import dataset
import trunk
import views


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Encoder:
    def __init__(self, folder: Path):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.vision = ort.InferenceSession(str(folder / "vision_model.onnx"), options)
        self.text = ort.InferenceSession(str(folder / "text_model.onnx"), options)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.seconds, self.count = 0.0, 0  # processor time of the vision graph

    def pixels(self, pictures: list[Image.Image]) -> np.ndarray:
        """RGB, stretch to R x R (bilinear, antialiased), x / 127.5 - 1, NCHW."""
        stack = np.stack([views.fit(p, trunk.RESOLUTION) for p in pictures]).astype(np.float32)
        return np.ascontiguousarray((stack / 127.5 - 1.0).transpose(0, 3, 1, 2))

    def images(self, pictures, batch: int = 8) -> np.ndarray:
        """Unit vectors of an iterable of pictures."""
        rows, waiting = [], []

        def flush():
            if waiting:
                feed = {"pixel_values": self.pixels(waiting)}
                started = time.process_time()
                rows.append(self.vision.run(None, feed)[0])
                self.seconds += time.process_time() - started
                self.count += len(waiting)
                waiting.clear()

        for picture in pictures:
            waiting.append(picture.convert("RGB"))
            if len(waiting) == batch:
                flush()
        flush()
        return unit(np.concatenate(rows))

    def sentences(self, texts: list[str], batch: int = 64) -> np.ndarray:
        rows = []
        for start in range(0, len(texts), batch):
            ids, mask = dataset.encode(self.tokenizer, texts[start : start + batch])
            rows.append(self.text.run(None, {"input_ids": ids, "attention_mask": mask})[0])
        return unit(np.concatenate(rows))
