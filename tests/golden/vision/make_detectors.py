"""Writes tiny detectors of the real architectures with random weights, and what the reference makes of their outputs.

    python make_detectors.py

needs torch, transformers (5.23), onnx and onnxruntime. Graphs come from `torch.onnx.export`; expected detections from ONNX Runtime and
the reference's own post-processing on its outputs. Seeded: a second run writes the same weights.
"""

import warnings

import numpy as np
import onnxruntime
import torch
from packages import GOLDEN, package, picture, rounded, slim
from torch import nn
from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config, RfDetrConfig, RfDetrForObjectDetection
from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessorPil, RTDetrResNetConfig

warnings.filterwarnings("ignore")
SIZE = 64
QUERIES = 20
CLASSES = ["person", "dog", "", "red car", "boat"]
#: Width and height of the pictures that the three tensors stand for.
SHAPES = [(640, 427), (64, 64), (300, 900)]


def widen(model, seed):
    """Random weights of untrained heads give equal scores everywhere; these differ."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() > 1:
                value.add_(torch.randn(value.shape, generator=generator) * value.shape[1] ** -0.5 * 0.5)
            elif "class" in name or "score" in name or "bbox" in name:
                value.copy_(torch.randn(value.shape, generator=generator) * 0.5)
    return model.eval()


def export(model, folder, inputs, outputs, sample, dynamic=True):
    (GOLDEN / folder).mkdir(exist_ok=True)
    axes = {name: {0: "batch"} for name in inputs + outputs} if dynamic else None
    path = GOLDEN / folder / "model.onnx"
    torch.onnx.export(
        model, sample, str(path), input_names=inputs, output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False
    )
    slim(path)
    return path


def run(path, **inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def pixels(number):
    return picture(number, SIZE)[None]


def found(labels, scores, boxes, names, width, height):
    """Named boxes inside the picture, as the Rust side reports them: corners in pixels."""
    out = []
    for label, score, box in zip(labels, scores, boxes):
        left, right = np.clip([box[0], box[2]], 0, width)
        top, bottom = np.clip([box[1], box[3]], 0, height)
        if names[int(label)] and right > left and bottom > top:
            out.append({"label": names[int(label)], "score": round(float(score), 6), "box": rounded([left, top, right, bottom], 3)})
    return out


def sections(layout, threshold, image="", extra="", batch=4):
    image = image or 'resize = "stretch"\nfilter = "bilinear"\nmean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]'
    return (
        f'[image]\nsize = {SIZE}\n{image}\n\n[detector]\nlayout = "{layout}"\nscore_threshold = {threshold}\n'
        f"max_detections = {QUERIES}\n{extra}\n[batch]\nmax_batch = {batch}"
    )


def finish(folder, layout, threshold, names, pictures, **more):
    (GOLDEN / folder / "labels.txt").write_text("\n".join(names) + "\n")
    count = [len(picture["detections"]) for picture in pictures]
    print(folder, (GOLDEN / folder / "model.onnx").stat().st_size, count)
    package(
        folder,
        "detector",
        "object-detection",
        sections(layout, threshold, **more),
        [("model.onnx", "model"), ("labels.txt", "labels")],
        {"threshold": threshold, "pictures": pictures},
    )


class Hub(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        out = self.model(pixel_values=pixel_values)
        return out.logits, out.pred_boxes


class Finished(nn.Module):
    """The post-processor of the D-FINE and RT-DETR authors behind the network, as their export has it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images, orig_target_sizes):
        out = self.model(pixel_values=images)
        scores, index = torch.topk(torch.sigmoid(out.logits).flatten(1), QUERIES, dim=-1)
        x, y, w, h = out.pred_boxes.unbind(-1)
        boxes = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)
        boxes = boxes * orig_target_sizes.repeat(1, 2).unsqueeze(1)
        boxes = boxes.gather(1, (index // len(CLASSES)).unsqueeze(-1).repeat(1, 1, 4))
        return index % len(CLASSES), boxes, scores


def by_hub(path, names, input_name, scores, boxes, threshold):
    """The processor of RT-DETR, which D-FINE and DEIM use too, and whose rule is RF-DETR's."""
    processor = RTDetrImageProcessorPil()
    pictures = []
    for number, (width, height) in enumerate(SHAPES):
        out = run(path, **{input_name: pixels(number)})

        class Outputs:
            logits = torch.tensor(out[scores])
            pred_boxes = torch.tensor(out[boxes])

        result = processor.post_process_object_detection(Outputs, threshold, [(height, width)])[0]
        values = (result["labels"], result["scores"], result["boxes"])
        detections = found(*(value.numpy() for value in values), names, width, height)
        pictures.append({"width": width, "height": height, "detections": detections})
    return pictures


def d_fine():
    backbone = HGNetV2Config(
        stem_channels=[3, 8, 8], stage_in_channels=[8, 16, 16, 24], stage_mid_channels=[8, 8, 12, 12], embedding_size=8,
        stage_out_channels=[16, 16, 24, 32], stage_num_blocks=[1, 1, 1, 1], stage_numb_of_layers=[1, 1, 1, 1],
        hidden_sizes=[16, 16, 24, 32], depths=[1, 1, 1, 1], out_indices=[2, 3, 4], use_learnable_affine_block=True,
    )  # fmt: skip
    config = DFineConfig(
        backbone_config=backbone, encoder_hidden_dim=32, encoder_in_channels=[16, 24, 32], encoder_ffn_dim=32, encoder_attention_heads=2,
        d_model=32, num_queries=QUERIES, decoder_in_channels=[32, 32, 32], decoder_ffn_dim=32, decoder_layers=2, decoder_n_points=[2, 2, 2],
        decoder_attention_heads=2, num_labels=len(CLASSES), hidden_expansion=0.5, depth_mult=0.34, num_denoising=0, lqe_hidden_dim=16,
        anchor_image_size=[SIZE, SIZE],
    )  # fmt: skip
    torch.manual_seed(1)
    return widen(DFineForObjectDetection(config), 11)


def rt_detr():
    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 12, 16, 24], depths=[1, 1, 1, 1], layer_type="basic", out_indices=[2, 3, 4]
    )
    config = RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=32, encoder_in_channels=[12, 16, 24], encoder_ffn_dim=32, encoder_attention_heads=2,
        d_model=32, num_queries=QUERIES, decoder_in_channels=[32, 32, 32], decoder_ffn_dim=32, decoder_layers=2, decoder_n_points=2,
        decoder_attention_heads=2, num_labels=len(CLASSES), hidden_expansion=0.5, num_denoising=0, anchor_image_size=[SIZE, SIZE],
    )  # fmt: skip
    torch.manual_seed(2)
    return widen(RTDetrForObjectDetection(config), 12)


def rf_detr(names):
    backbone = dict(
        model_type="rf_detr_dinov2", hidden_size=24, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=SIZE, patch_size=8,
        num_windows=2, out_features=["stage1", "stage2"],
    )  # fmt: skip
    config = RfDetrConfig(
        backbone_config=backbone, d_model=32, num_queries=QUERIES, decoder_ffn_dim=32, decoder_layers=2, decoder_n_points=2,
        decoder_self_attention_heads=2, decoder_cross_attention_heads=2, num_labels=len(names), group_detr=2, c2f_num_blocks=1,
    )  # fmt: skip
    torch.manual_seed(3)
    model = RfDetrForObjectDetection(config)
    # Pictures have the size that the places are made for, so there is nothing to interpolate; the exporter does not see it.
    embeddings = next(module for module in model.modules() if hasattr(module, "interpolate_pos_encoding"))
    embeddings.interpolate_pos_encoding = lambda *_: embeddings.position_embeddings
    return widen(model, 13)


class RfDetrExport(nn.Module):
    """The names and the order of RF-DETR's own export."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input):
        out = self.model(pixel_values=input)
        return out.pred_boxes, out.logits


class Yolox(nn.Module):
    """The parts of YOLOX that its outputs depend on: focus stem, strides 8, 16 and 32, decoupled heads, rows before the grid is applied."""

    def __init__(self, classes, width=12):
        super().__init__()
        conv = lambda a, b, stride: nn.Sequential(nn.Conv2d(a, b, 3, stride, 1), nn.SiLU())  # noqa: E731
        self.stem = conv(12, width, 1)
        self.early = conv(width, width, 2)
        self.stages = nn.ModuleList(conv(width, width, 2) for _ in range(3))
        self.class_towers = nn.ModuleList(conv(width, width, 1) for _ in range(3))
        self.box_towers = nn.ModuleList(conv(width, width, 1) for _ in range(3))
        self.class_heads = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in range(3))
        self.box_heads = nn.ModuleList(nn.Conv2d(width, 4, 1) for _ in range(3))
        self.object_heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in range(3))

    def forward(self, images):
        corners = [images[..., ::2, ::2], images[..., 1::2, ::2], images[..., ::2, 1::2], images[..., 1::2, 1::2]]
        x = self.early(self.stem(torch.cat(corners, 1)))
        rows = []
        for level, stage in enumerate(self.stages):
            x = stage(x)
            boxes = self.box_towers[level](x)
            parts = [
                self.box_heads[level](boxes),
                self.object_heads[level](boxes).sigmoid(),
                self.class_heads[level](self.class_towers[level](x)).sigmoid(),
            ]
            rows.append(torch.cat(parts, 1).flatten(2))
        return torch.cat(rows, 2).permute(0, 2, 1)


def by_grid(path, threshold, iou):
    """The decoding of YOLOX written out plainly: cells, then suppression class by class."""
    pictures = []
    for number, (width, height) in enumerate(SHAPES):
        rows = run(path, images=pixels(number))["output"][0].astype(np.float64)
        ratio = min(SIZE / width, SIZE / height)
        at, candidates = 0, []
        for stride in (8, 16, 32):
            for line in range(SIZE // stride):
                for column in range(SIZE // stride):
                    row, at = rows[at], at + 1
                    x, y = (row[0] + column) * stride / ratio, (row[1] + line) * stride / ratio
                    w, h = np.exp(row[2]) * stride / ratio, np.exp(row[3]) * stride / ratio
                    for label, share in enumerate(row[5:]):
                        if row[4] * share >= threshold and CLASSES[label]:
                            candidates.append((row[4] * share, label, (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
        kept = []
        for score, label, box in sorted(candidates, key=lambda item: -item[0]):
            if all(other != label or overlap(better, box) <= iou for _, other, better in kept):
                kept.append((score, label, box))
        print("  yolox", len(candidates), "->", len(kept))
        kept = kept[:QUERIES]
        detections = found([k[1] for k in kept], [k[0] for k in kept], [k[2] for k in kept], CLASSES, width, height)
        pictures.append({"width": width, "height": height, "detections": detections})
    return pictures


def overlap(a, b):
    common = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731
    return common / (area(a) + area(b) - common)


def main():
    sample = torch.tensor(np.concatenate([pixels(0), pixels(1)]))
    sizes = torch.tensor([[640, 427], [64, 64]])

    fine = d_fine()
    path = export(Hub(fine), "tiny-d-fine", ["pixel_values"], ["logits", "pred_boxes"], (sample,))
    finish("tiny-d-fine", "detr", 0.5, CLASSES, by_hub(path, CLASSES, "pixel_values", "logits", "pred_boxes", 0.5))

    path = export(
        Finished(fine), "tiny-d-fine-pixels", ["images", "orig_target_sizes"], ["labels", "boxes", "scores"], (sample, sizes)
    )
    pictures = []
    for number, (width, height) in enumerate(SHAPES):
        out = run(path, images=pixels(number), orig_target_sizes=np.array([[width, height]], np.int64))
        keep = out["scores"][0] >= 0.5
        values = (out[name][0][keep] for name in ("labels", "scores", "boxes"))
        pictures.append({"width": width, "height": height, "detections": found(*values, CLASSES, width, height)})
    finish("tiny-d-fine-pixels", "detr-pixels", 0.5, CLASSES, pictures)

    path = export(Hub(rt_detr()), "tiny-rt-detr", ["pixel_values"], ["logits", "pred_boxes"], (sample,))
    finish("tiny-rt-detr", "detr", 0.5, CLASSES, by_hub(path, CLASSES, "pixel_values", "logits", "pred_boxes", 0.5))

    # Sparse like the ids of COCO: places without a class.
    sparse = ["", "person", "bicycle", "car", "", "bus", "train", "", "", "bench", "bird", ""]
    path = export(RfDetrExport(rf_detr(sparse)), "tiny-rf-detr", ["input"], ["dets", "labels"], (sample[:1],), dynamic=False)
    image = 'resize = "stretch"\nfilter = "bilinear"\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]'
    pictures = by_hub(path, sparse, "input", "labels", "dets", 0.5)
    finish("tiny-rf-detr", "rf-detr", 0.5, sparse, pictures, image=image, batch=1)

    torch.manual_seed(4)
    model = Yolox(len(CLASSES)).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(1.7)
        for head in model.box_heads:
            # Boxes of several cells, so that there is something to suppress.
            head.bias[2:] += 1.5
    path = export(model, "tiny-yolox", ["images"], ["output"], (sample[:1],), dynamic=False)
    image = (
        'resize = "letterbox"\nfilter = "four-nearest"\nchannels = "bgr"\nrange = "bytes"\nmean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]'
    )
    finish(
        "tiny-yolox", "yolox", 0.3, CLASSES, by_grid(path, 0.3, 0.45), image=image, batch=1,
        extra="iou_threshold = 0.45\nstrides = [8, 16, 32]\n",
    )  # fmt: skip


if __name__ == "__main__":
    main()
