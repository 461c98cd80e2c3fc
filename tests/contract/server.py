"""A running server with two users and a small dataset, for the programs in this folder.

    with Running(binary) as server: ...

Nothing outside of a temporary folder is touched, and nothing but the server's own address is called.
"""

import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path


class Running:
    """The server of a binary, with `owner` and `other` as bearer tokens and `dataset`, an id of the owner's."""

    def __init__(self, binary, pictures=24):
        self.binary = str(binary)
        self.pictures = pictures

    def run(self, *arguments):
        done = subprocess.run(
            [self.binary, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="lamina-contract-")
        self.photos = Path(self.folder.name) / "photos"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LAMINA_", "DATABASE_URL"))},
            "LAMINA_DATA_DIR": str(Path(self.folder.name) / "data"),
        }
        self.log = open(Path(self.folder.name) / "log", "w")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--listen", "127.0.0.1:0", "--ingest-roots", self.folder.name],
            env=self.environment, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        line = self.process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError(f"the server said {line!r}: {Path(self.log.name).read_text()[-2000:]}")
        self.base = "http://" + line.split("http://")[1].strip()
        self.run("demo-pictures", str(self.photos))
        drawn = sorted(path for path in self.photos.rglob("*") if path.is_file())
        # The last one stays apart, for additions.
        spare = Path(self.folder.name) / "spare.jpg"
        drawn[-1].rename(spare)
        for path in drawn[self.pictures:-1]:
            path.unlink()
        self.files = drawn[: self.pictures] + [spare]
        names = [path.name for path in drawn[: self.pictures]]
        rows = ["filename,col_x,row_y,width,height,label"] + [f"{name},10,10,40,30,car" for name in names[:6]]
        (self.photos / "object_annotations.csv").write_text("\n".join(rows) + "\n")
        summary = self.run("import", str(self.photos), "--name", "Road scenes", "--wait", "--json")
        self.dataset = json.loads(summary.splitlines()[-1])["dataset_id"]
        self.run("keys", "create", "--user", "other", "--role", "editor")
        self.owner = self.run("token", "--ttl", "2h")
        self.other = self.run("token", "--ttl", "2h", "--user", "other")
        return self

    def call(self, method, path, token=None, body=None, headers=None):
        """Status, headers and bytes of one request below /api/v1, or of an absolute address."""
        address = path if path.startswith("http") else self.base + path
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if isinstance(body, (dict, list)):
            body, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(address, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def get(self, path):
        status, _, body = self.call("GET", "/api/v1" + path, self.owner)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {body[:300]}")
        return json.loads(body)

    def wait_for(self, is_so):
        """Waits until something is so."""
        for _ in range(600):
            if is_so():
                return
            time.sleep(0.2)
        raise RuntimeError("waited in vain")

    def loads(self, text):
        return json.loads(text)

    def picture(self, number=0):
        """The bytes of one of the pictures, or of one that no dataset has."""
        return self.files[number].read_bytes()

    def archive(self, name, count):
        """A zip of the first pictures."""
        target = Path(self.folder.name) / name
        with zipfile.ZipFile(target, "w") as archive:
            for path in self.files[:count]:
                archive.write(path, path.name)
        return target.read_bytes()

    def media(self):
        """Ids of the pictures of the dataset."""
        status, _, body = self.call("GET", f"/api/v1/dataset/{self.dataset}/export_media_id", self.owner)
        assert status == 200, body
        return [line.rsplit(",", 1)[1] for line in body.decode().splitlines()[1:]]

    def export(self, query=""):
        """An export that is over."""
        task = self.get(f"/dataset/{self.dataset}/export_context_async?{query}")
        for _ in range(600):
            if task["status"] not in ("INIT", "IN_PROGRESS"):
                return task
            time.sleep(0.2)
            task = self.get(f"/dataset/{self.dataset}/export_status?export_task_id={task['id']}")
        raise RuntimeError("the export did not end")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
        self.folder.cleanup()
