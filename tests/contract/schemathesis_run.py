"""schemathesis against a running server: as the owner of a dataset, as another user, and without a token.

    python3 -m venv VENV && VENV/bin/pip install schemathesis
    VENV/bin/python tests/contract/schemathesis_run.py target/debug/lamina [--examples N]

Ends with 1 if any answer is a server error or not as the description says. Paths are tried with the owner's dataset as well as with
generated ids; what would delete it is left out for the owner, and so is what waits for files of the machine.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from server import Running

# What is checked: no server error, and answers as described.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("--examples", type=int, default=15)
    arguments.add_argument("--only", default="owner,other,nobody")
    chosen = arguments.parse_args()
    program = str(Path(sys.executable).parent / "schemathesis")
    failed = []
    with Running(chosen.binary) as server:
        for name, token in [("owner", server.owner), ("other", server.other), ("nobody", None)]:
            if name not in chosen.only.split(","):
                continue
            with tempfile.TemporaryDirectory() as folder:
                configuration = Path(folder) / "schemathesis.toml"
                configuration.write_text(f'[parameters]\n"path.dataset_id" = "{server.dataset}"\n')
                command = [
                    program, "--config-file", str(configuration), "run", f"{server.base}/api/v1/openapi.json",
                    "--checks", CHECKS, "--max-examples", str(chosen.examples), "--phases", "examples,coverage,fuzzing",
                    "--exclude-operation-id", "delete_dataset", "--generation-database", "none", "--no-color",
                    "--suppress-health-check", "all", "--continue-on-failure",
                ]
                if token:
                    command += ["--header", f"Authorization: Bearer {token}"]
                print(f"== as {name}", flush=True)
                if subprocess.run(command, cwd=folder, check=False).returncode != 0:
                    failed.append(name)
    print("failed: " + ", ".join(failed) if failed else "0 server errors, 0 schema violations")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
