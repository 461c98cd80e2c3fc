"""ONNX Runtime's own Python binding on the graph that sees pictures, for `lamina models bench`.

Arguments: graph, batch, threads, side of a picture. Every line on standard input is a time in seconds; the answer is one line of
JSON: how many pictures a second it ran meanwhile, and which version it is.
"""

import json
import sys
import time

import numpy
import onnxruntime


def main():
    path = sys.argv[1]
    batch, threads, side = map(int, sys.argv[2:5])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    pixels = numpy.random.default_rng(7).random((batch, 3, side, side), dtype=numpy.float32)
    feeds = {}
    for given in session.get_inputs():
        is_pixels = given.type == "tensor(float)"
        feeds[given.name] = pixels if is_pixels else numpy.full((batch, 2), side, numpy.int64)
    session.run(None, feeds)
    print(json.dumps({"version": onnxruntime.__version__}), flush=True)
    for line in sys.stdin:
        end = time.perf_counter() + float(line)
        cpu, started, runs = time.process_time(), time.perf_counter(), 0
        while time.perf_counter() < end:
            session.run(None, feeds)
            runs += 1
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        items = runs * batch
        print(json.dumps({"items_per_s": items / seconds, "cpu_ms": cpu * 1000 / items}), flush=True)


main()
