"""Records an example of each operation from a running server into crates/lamina-http/src/examples.json:

    python3 tests/contract/record.py target/debug/lamina
    python3 tests/contract/record.py target/debug/lamina --check

Ids, times and signatures differ from run to run; the shapes do not. `--check` records anew and compares them with what is kept.
"""

import json
import re
import sys
from pathlib import Path

import record_changes
import record_people
import record_reading
from recorder import Recorder, differences
from server import Running

# Browsers of people are sent on by them: there is no body to keep, and they need a provider.
REDIRECTS = {"begin_provider_sign_in", "finish_provider_sign_in"}
ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "crates/lamina-http/src/examples.json"


def main():
    with Running(sys.argv[1], pictures=12) as server:
        record = Recorder(server)
        record_reading.record(record)
        record_changes.record(record)
        record_people.record(record)
        text = json.dumps(record.recorded, indent=1, sort_keys=True, ensure_ascii=False)
        # Of the server that was asked nothing stays but the shapes.
        text = text.replace(server.base, "https://lamina.example").replace(server.folder.name, "")
        text = re.sub(r"([?&]s=)[\w-]+", r"\1k3", text)
    operations = (ROOT / "tests/contract/operations.txt").read_text().splitlines()
    names = {line.split(" ")[2] for line in operations if line and not line.startswith("#")}
    record.failed += [f"{name}: not recorded" for name in sorted(names - REDIRECTS - record.recorded.keys())]
    if "--check" in sys.argv:
        kept = json.loads(KEPT.read_text())
        found = json.loads(text)
        for name in sorted(kept.keys() | found.keys()):
            sides = [side.get(name, {}).get("answer") for side in (kept, found)]
            record.failed += [f"{name}{place}" for place in differences(*sides)]
            if name not in kept or name not in found:
                record.failed.append(f"{name}: only in one of them")
    else:
        KEPT.write_text(text + "\n")
    print(f"{len(record.recorded)} operations")
    print("\n".join(record.failed))
    return bool(record.failed)


if __name__ == "__main__":
    sys.exit(main())
