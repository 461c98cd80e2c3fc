"""Other libraries on the vectors of `lamina bench index`: they build, then answer one line per measurement.

Arguments: library, folder, rows, dimension, queries. The folder holds vectors.f32, queries.f32 and bounds.f32, the distance
of the tenth nearest vector of each query. A line holds the breadth to search with; the answer is one line of JSON.
"""

import json
import sys
import time

import numpy

K = 10


def hnswlib_index(vectors):
    import hnswlib

    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), M=16, ef_construction=200, random_seed=7)
    index.add_items(vectors, num_threads=2)
    index.set_num_threads(1)

    def search(queries, breadth):
        index.set_ef(breadth)
        return index.knn_query(queries, k=K, num_threads=1)[1]

    return search


def usearch_index(vectors):
    from usearch.index import Index

    index = Index(
        ndim=vectors.shape[1],
        metric="ip",
        dtype="f16",
        connectivity=16,
        expansion_add=200,
    )
    index.add(numpy.arange(len(vectors)), vectors, threads=2)

    def search(queries, breadth):
        index.expansion_search = breadth
        return index.search(queries, K, threads=1).distances

    return search


def main():
    library, folder = sys.argv[1], sys.argv[2]
    rows, dimension, count = map(int, sys.argv[3:6])
    read = lambda name: numpy.fromfile(f"{folder}/{name}.f32", dtype=numpy.float32)
    vectors = read("vectors").reshape(rows, dimension)
    queries = read("queries").reshape(count, dimension)
    bounds = read("bounds").reshape(count, 1)
    started = time.process_time()
    build = {"hnswlib": hnswlib_index, "usearch": usearch_index}[library]
    search = build(vectors)
    print(json.dumps({"build_cpu_s": time.process_time() - started}), flush=True)
    for line in sys.stdin:
        started = time.process_time()
        distances = search(queries, int(line))
        cpu = time.process_time() - started
        recall = float((distances <= bounds).mean())
        print(json.dumps({"recall": recall, "cpu_ms": cpu * 1000 / count}), flush=True)


main()
