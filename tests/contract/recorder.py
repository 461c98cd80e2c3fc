"""Asks a running server and keeps what was asked and answered; and compares the shapes of two such answers."""

import json
import re
import time


class Recorder:
    """`record(operation, method, path, body)` asks as the owner; what is kept is in `recorded`."""

    def __init__(self, server):
        self.server = server
        self.recorded = {}
        self.failed = []

    def __call__(self, operation, method, path, body=None, shown=None, headers=None, token=None):
        token = token or self.server.owner
        for _ in range(300):
            status, kinds, answer = self.server.call(method, "/api/v1" + path, token, body, headers)
            # Left-overs of what was asked before.
            if status != 409:
                break
            time.sleep(0.2)
        if status not in (200, 201, 202):
            self.failed.append(f"{operation}: {status} {answer[:300]!r}")
            return None
        kind = kinds.get("Content-Type", kinds.get("content-type", ""))
        value = json.loads(answer) if "json" in kind and answer else answer.decode()
        self.keep(operation, value, body if shown is None else shown)
        return value

    def form(self, operation, path, fields, token=None):
        """A form in the body of a POST."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self(operation, "POST", path, encoded(fields).encode(), encoded(fields), kind, token)

    def files(self, operation, path, field, name, content, more=()):
        """A file in a multipart form; what is shown says what was in it."""
        body, kind = multipart(field, name, content, more)
        shown = {field: f"({name})", **dict(more)}
        return self(operation, "POST", path, body, shown, {"Content-Type": kind})

    def keep(self, operation, value, sent=None):
        entry = {"answer": shortened(value)}
        if sent is not None:
            entry["request"] = sent
        self.recorded[operation] = entry

    def settled(self, dataset):
        """Waits until nothing is being done to a dataset."""
        for _ in range(600):
            found = self.server.get(f"/dataset/{dataset}")["status_new"]
            if found in ("READY", "PARTIAL INDEX", "ERROR"):
                return found
            time.sleep(0.2)
        raise RuntimeError(f"{dataset} is {found}")


def encoded(fields):
    from urllib.parse import urlencode

    return urlencode(fields)


def multipart(field, name, content, more=()):
    boundary = "a-boundary-that-does-not-occur"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in more]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    body = b"".join(parts) + head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def shortened(value):
    """Two entries of every list are enough to see its shape, three lines of a text."""
    if isinstance(value, list):
        return [shortened(entry) for entry in value[:2]]
    if isinstance(value, dict):
        return {name: shortened(entry) for name, entry in value.items()}
    if isinstance(value, str):
        return "\n".join(value.split("\n")[:3])
    return value


def differences(kept, found, path=""):
    """Where two answers are of different shapes; what is null in one of them may be anything in the other."""
    if kept is None or found is None:
        return []
    if kind_of(kept) != kind_of(found):
        return [f"{path}: {kind_of(kept)} was recorded, {kind_of(found)} is answered"]
    if isinstance(kept, dict):
        if is_map(kept) or is_map(found):
            return []
        names = [f"{path}.{name} is only in one of them" for name in sorted(kept.keys() ^ found.keys())]
        for name in kept.keys() & found.keys():
            names += differences(kept[name], found[name], f"{path}.{name}")
        return names
    if isinstance(kept, list) and kept:
        # Entries may be of several kinds: each has to be like one that was recorded.
        for number, entry in enumerate(found):
            tried = [differences(one, entry, f"{path}[{number}]") for one in kept]
            if all(tried):
                return min(tried, key=len)
    return []


def kind_of(value):
    if isinstance(value, bool):
        return "a truth"
    if isinstance(value, (int, float)):
        return "a number"
    return type(value).__name__


def is_map(value):
    """Names that are data: ids."""
    return not value or all(re.fullmatch(r"[0-9a-f-]{36}", name) for name in value)
