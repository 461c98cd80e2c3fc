"""Writes the golden file: encoder states, logits of the first step, tokens and text of the greedy caption.

    python golden.py --package DIR --images DIR --out FILE
"""

import argparse
from pathlib import Path

import golden_file
from captioner import Captioner


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("package", "images", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    captioner = Captioner(options.package)
    images = []
    for file, picture in golden_file.pictures(options.images):
        states = captioner.states(picture)
        logits, _ = captioner.step([captioner.settings["decoder_start_token_id"]], states)
        tokens = captioner.tokens(states)
        if tokens != captioner.tokens(states, use_cache=False):
            raise ValueError("the cache changes the caption")
        images.append(
            {
                "file": file,
                "width": picture.width,
                "height": picture.height,
                "states_first_16": golden_file.rounded(states[0, 0, :16]),
                "first_step_logits_first_16": golden_file.rounded(logits[:16]),
                "tokens": tokens,
                "text": captioner.text(tokens),
            }
        )
    tolerance = "states and logits 0.02; greedy, at most max_length tokens with the start; tokens hold the start and the stop"
    golden_file.write(options.out, options.package, golden_file.STRETCH, tolerance, images)


if __name__ == "__main__":
    main()
