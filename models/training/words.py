"""Words for classes: of the photo sets (classes.txt) and of ImageNet (imagenet_groups.txt)."""

import re
from pathlib import Path

HERE = Path(__file__).parent


def split_words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def photo_classes() -> dict[str, tuple[list[str], list[str]]]:
    """`set/folder` -> (names, wider words)."""
    classes = {}
    for line in (HERE / "classes.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            key, _, rest = line.partition(" = ")
            names, _, wider = rest.partition(";")
            classes[key] = (split_words(names), split_words(wider))
    return classes


def imagenet_classes(labels: list[str]) -> list[tuple[list[str], list[str]]]:
    """For each of the 1001 labels (0 is background): (names, wider words)."""
    first = {}
    for i, label in enumerate(labels):
        first.setdefault(split_words(label)[0], i)
    wider: list[list[str]] = [[] for _ in labels]
    for line in (HERE / "imagenet_groups.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        words, _, members = line.partition(" = ")
        for member in members.split("|"):
            ends = [first[name.strip()] for name in member.split("...")]
            for i in range(ends[0], ends[-1] + 1):
                wider[i] += [w for w in split_words(words) if w not in wider[i]]
    classes = []
    for i, label in enumerate(labels):
        # Latin names ("Canis lupus") are left out; the first name always stays.
        names = split_words(label)
        latin = re.compile(r"^[A-Z][a-z]+ [a-z]+( [a-z]+)?$")
        kept = [names[0]] + [n for n in names[1:] if not latin.match(n)]
        classes.append(([n.lower() for n in kept[:4]], wider[i]))
    return classes


PLURAL = re.compile(r"(?<!s)(?<!u)s$")


def article(noun: str) -> str:
    """"an apple", "a dog"; plurals and mass nouns stay bare."""
    bare = {"underwater", "food", "clothing", "wildlife", "land", "water", "sky", "people", "farmland", "money", "snow"}
    if noun in bare or PLURAL.search(noun):
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    """The plural of a regular noun, and of the few irregular ones in use."""
    if noun.endswith(("s", "fish")):
        return noun + "es" if noun.endswith("bus") else noun
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"
