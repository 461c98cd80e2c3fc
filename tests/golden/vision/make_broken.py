"""Writes graphs that look like detectors and are wrong in one way each: `../broken-detectors/<what>.onnx`, some hundred bytes each.

    python make_broken.py

needs numpy and onnx. All take pictures of 4 x 4 pixels and know two classes and three queries. `m` below is the mean of a picture; the
trial run before a model is used has 0.5 everywhere.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from packages import GOLDEN

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
FOLDER = GOLDEN / "broken-detectors"
#: Centre and size: inside, over the edge, and nothing of it inside.
BOXES = [[0.5, 0.5, 0.2, 0.4], [0.95, 0.5, 0.2, 2.0], [1.5, 0.5, 0.2, 0.2]]
LOGITS = [[3.0, -9.0], [-9.0, 2.0], [4.0, -9.0]]


def constant(name, value, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def spread(value, to, mean="m"):
    """`value` for every picture of the batch, by adding a mean that was multiplied by nothing."""
    return [
        helper.make_node("Mul", [mean, "nothing"], [f"{to}_zero"]),
        helper.make_node("Add", [f"{to}_zero", value], [to]),
    ]


def save(name, nodes, inputs, outputs, weights, announce=None):
    """Outputs are announced with nothing but their rank, so that only a run shows what is wrong, unless said otherwise."""
    means = [
        helper.make_node("ReduceMean", [inputs[0][0]], ["mean4"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Reshape", ["mean4", "as_rows"], ["m"]),
    ]
    weights = [*weights, constant("nothing", 0.0), constant("as_rows", [-1, 1, 1], np.int64)]
    announce = announce or {}
    graph = helper.make_graph(
        means + nodes,
        name,
        [helper.make_tensor_value_info(text, kind, shape) for text, kind, shape in inputs],
        [
            helper.make_tensor_value_info(text, kind, announce.get(text, ["batch"] + [f"{text}{axis}" for axis in range(1, rank)]))
            for text, kind, rank in outputs
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="lamina-make")
    model.ir_version = 8
    onnx.checker.check_model(model)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


PIXELS = [("pixel_values", FLOAT, ["batch", 3, 4, 4])]
HUB = [("logits", FLOAT, 3), ("pred_boxes", FLOAT, 3)]


def hub(name, logits=LOGITS, boxes=BOXES, extra=(), **more):
    nodes = spread("l", "logits") + spread("b", "pred_boxes") + list(extra)
    save(name, nodes, more.pop("inputs", PIXELS), more.pop("outputs", HUB), [constant("l", [logits]), constant("b", [boxes])], **more)


def main():
    hub("edges")
    hub("five-numbers", boxes=[box + [0.0] for box in BOXES])
    hub("two-boxes", boxes=BOXES[:2])
    hub("announced-classes", announce={"logits": ["batch", 3, 2]})
    hub("other-names", outputs=[("logits", FLOAT, 3)])
    hub("wants-a-mask", inputs=[*PIXELS, ("pixel_mask", FLOAT, ["batch"])])
    hub("only-two-at-once", inputs=[("pixel_values", FLOAT, [2, 3, 4, 4])])
    hub("grey", inputs=[("pixel_values", FLOAT, ["batch", 1, 4, 4])])
    hub("larger", inputs=[("pixel_values", FLOAT, ["batch", 3, 8, 8])])

    weights = [constant("l", [LOGITS]), constant("b", [BOXES]), constant("limit", 0.9), constant("one", 1.0)]
    # The logarithm of what is below 0 is no number; dividing by 0 gives infinity.
    unlike = [helper.make_node("Sub", ["limit", "m"], ["left"]), helper.make_node("Log", ["left"], ["log"])]
    nan = [*unlike, *spread("l", "some"), helper.make_node("Add", ["some", "log"], ["logits"]), *spread("b", "pred_boxes")]
    save("not-a-number", nan, PIXELS, HUB, weights)
    endless = [
        *unlike[:1],
        helper.make_node("Relu", ["left"], ["positive"]),
        helper.make_node("Div", ["one", "positive"], ["large"]),
        *spread("b", "some"),
        helper.make_node("Mul", ["some", "large"], ["pred_boxes"]),
        *spread("l", "logits"),
    ]
    save("endless-boxes", endless, PIXELS, HUB, weights)
    whole = [*spread("l", "some"), helper.make_node("Cast", ["some"], ["logits"], to=INT64), *spread("b", "pred_boxes")]
    save("whole-numbers", whole, PIXELS, [("logits", INT64, 3), HUB[1]], weights)
    flat = [*spread("l", "logits"), *spread("b", "some"), helper.make_node("Reshape", ["some", "rows"], ["pred_boxes"])]
    save("flat-boxes", flat, PIXELS, [HUB[0], ("pred_boxes", FLOAT, 2)], [*weights, constant("rows", [-1, 12], np.int64)])
    first = [*spread("l", "all"), helper.make_node("Slice", ["all", "zero", "once"], ["logits"]), *spread("b", "pred_boxes")]
    save("first-picture-only", first, PIXELS, HUB, [*weights, constant("zero", [0], np.int64), constant("once", [1], np.int64)])

    # The authors' layout with a class beyond the labels where the picture is bright.
    pixels = [("images", FLOAT, ["batch", 3, 4, 4]), ("orig_target_sizes", INT64, ["batch", 2])]
    finished = [
        helper.make_node("Mul", ["m", "three"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "row"], ["class"]),
        helper.make_node("Cast", ["class"], ["labels"], to=INT64),
        helper.make_node("Reshape", ["m", "row"], ["mean2"]),
        *spread("score", "scores", "mean2"),
        helper.make_node("Cast", ["orig_target_sizes"], ["sizes"], to=FLOAT),
        helper.make_node("Concat", ["sizes", "sizes"], ["twice"], axis=1),
        helper.make_node("Mul", ["twice", "place"], ["corner"]),
        helper.make_node("Unsqueeze", ["corner", "at"], ["boxes"]),
    ]
    weights = [
        constant("three", 3.0), constant("row", [-1, 1], np.int64), constant("score", [[0.8]]), constant("place", [[0.25, 0.5, 0.75, 1.5]]),
        constant("at", [1], np.int64),
    ]  # fmt: skip
    save("unknown-class", finished, pixels, [("labels", INT64, 2), ("boxes", FLOAT, 3), ("scores", FLOAT, 2)], weights)

    # A grid of one cell at stride 4, twice as many as there should be.
    rows = [[0.5, 0.5, 0.0, 0.0, 0.9, 0.8, 0.1], [0.5, 0.5, 200.0, 0.0, 0.9, 0.1, 0.9]]
    images = [("images", FLOAT, ["batch", 3, 4, 4])]
    for name, grid in (("grid", rows[:1]), ("endless-cell", rows[1:]), ("two-cells", rows)):
        save(name, spread("g", "output"), images, [("output", FLOAT, 3)], [constant("g", [grid])])
    save("two-outputs", spread("g", "output") + spread("g", "more"), images, [("output", FLOAT, 3), ("more", FLOAT, 3)], [constant("g", [rows])])


if __name__ == "__main__":
    main()
