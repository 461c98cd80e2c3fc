"""Figures of the written captioner beside those of one caption for every picture, as JSON.

    python measure.py --package DIR --photos DIR --scenes DIR [--coco DIR]
    python measure.py --package DIR --photos DIR --scenes DIR --show DIR

COCO's photos and human captions are measured only: nothing was trained or chosen on them.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from PIL import Image

import material
import sentences
from captioner import Captioner
from scores import bleu4, cider_d


def figures(said, references, common) -> dict:
    same = [common] * len(said)
    return {
        "pictures": len(said),
        "bleu4": round(bleu4(said, references), 3),
        "cider_d": round(cider_d(said, references), 3),
        "true_word_for_word": round(sum(text in others for text, others in zip(said, references)) / len(said), 3),
        "most_frequent_caption": {"text": common, "bleu4": round(bleu4(same, references), 3), "cider_d": round(cider_d(same, references), 3)},
        "different_captions": len(set(said)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("package", "photos", "scenes"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("coco", "show"):
        parser.add_argument(f"--{name}", type=Path)
    options = parser.parse_args()
    captioner = Captioner(options.package)

    def say(picture) -> str:
        return captioner.text(captioner.tokens(captioner.states(picture.convert("RGB"))))

    if options.show:
        for path in sorted(options.show.iterdir()):
            if path.suffix in (".jpg", ".png"):
                print(path.name, "->", say(Image.open(path)))
        return
    items = material.items(options.photos, options.scenes)
    report, every, count = {}, Counter(), 0
    for group in ("photo", "drawn", "shapes"):
        train = [i for i, item in enumerate(items) if not item.test and item.group == group][::5]  # enough to know the commonest
        common = Counter(text for i in train for text in sentences.said(items[i], i))
        every += common
        chosen = [i for i, item in enumerate(items) if item.test and item.group == group]
        said = [say(items[i].picture()) for i in chosen]
        count += len(said)
        report[group] = figures(said, [sentences.said(items[i], i) for i in chosen], common.most_common(1)[0][0])
    report["milliseconds_a_picture"] = {
        "encoder": round(1000 * captioner.encoder_seconds / count, 1),
        "decoder_greedy_with_cache": round(1000 * captioner.decoder_seconds / count, 1),
    }
    chosen = [i for i, item in enumerate(items) if item.test][::7]
    states = [captioner.states(items[i].picture()) for i in chosen]
    same = sum(captioner.tokens(s) == captioner.tokens(s, use_cache=False) for s in states)
    report["cached_equals_uncached"] = f"{same} of {len(chosen)}"
    if options.coco:
        data = json.loads((options.coco / "captions.json").read_text())
        references = {i["id"]: [] for i in data["images"]}
        for text in data["annotations"]:
            references[text["image_id"]].append(text["caption"])
        said = [say(Image.open(options.coco / "images" / i["file_name"])) for i in data["images"]]
        report["coco"] = figures(said, list(references.values()), every.most_common(1)[0][0])
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
