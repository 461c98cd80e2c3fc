"""What scripts and notebooks do with the API, done against a running server: python3 notebook.py BASE TOKEN DATASET

Uses requests, and pandas where it is installed. Ends with a traceback at the first thing that is not as clients rely on it.
"""

import io
import json
import re
import sys
import time
import zipfile

import requests

try:
    import pandas
except ImportError:
    pandas = None

base, token, dataset = sys.argv[1:4]
api = base + "/api/v1"
session = requests.Session()
session.headers["Authorization"] = f"Bearer {token}"


def get(path, **parameters):
    answer = session.get(api + path, params=parameters, timeout=60)
    assert answer.status_code == 200, (path, answer.status_code, answer.text)
    return answer


# The SDK's constructor.
health = get("/healthcheck").json()
assert health["status"] == "Green", health

# The list, and polling one until it is READY.
assert any(entry["id"] == dataset for entry in get("/datasets").json())
for _ in range(100):
    shown = get(f"/dataset/{dataset}").json()
    if shown["status_new"] == "READY":
        break
    time.sleep(0.2)
assert shown["status"] == "READY" and shown["progress"] == 100, shown
assert isinstance(get(f"/dataset/{dataset}/stats").json(), dict)
assert "features" in get("/user_config", dataset_id=dataset).json()

# Clusters, page by page; previews with names and pictures that open without a token.
names, page = set(), 0
while clusters := get(f"/explore/{dataset}", entity_type="IMAGES", threshold=0, page_number=page).json()["clusters"]:
    for cluster in clusters:
        assert cluster["relevance_score"] is None
        names.update(preview["file_name"] for preview in cluster["previews"])
    page += 1
preview = get(f"/explore/{dataset}").json()["clusters"][0]["previews"][0]
thumbnail = requests.get(preview["media_thumb_uri"], timeout=60)
assert thumbnail.headers["Content-Type"] == "image/webp" and thumbnail.content
picture = requests.get(preview["media_uri"], timeout=60).content
assert get(f"/image/{preview['media_id']}").json()["image_uri"]

# find_image.py: a picture is sent, then searched for; the score can be formatted.
sent = session.post(
    f"{api}/dataset/{dataset}/search-image-similarity", files={"file": ("query.jpg", picture)},
    params={"entity_type": "IMAGES"}, timeout=60,
).json()
found = get(
    f"/explore/{dataset}", entity_type="IMAGES", anchor_media_id=sent["anchor_media_id"], anchor_type="UPLOAD",
).json()["clusters"]
assert f"{found[0]['relevance_score']:.3f}" == "0.000", found[0]["relevance_score"]
assert f"{found[0]['previews'][0]['relevance_score']:.3f}" == "0.000"


def wait(task):
    """As the SDK waits: REJECTED is an empty result, anything unknown is work under way."""
    for _ in range(300):
        if task["status"] in ("COMPLETED", "REJECTED"):
            return task
        assert task["status"] in ("INIT", "IN_PROGRESS"), task
        time.sleep(0.2)
        task = get(f"/dataset/{dataset}/export_status", export_task_id=task["id"]).json()
    raise AssertionError("the export did not end")


def document(task):
    archive = zipfile.ZipFile(io.BytesIO(requests.get(task["download_uri"], timeout=60).content))
    return json.loads(archive.read("metadata.json")), archive


# Everything, with pictures; booleans as Python spells them.
task = wait(get(f"/dataset/{dataset}/export_context_async", file_name="all.zip", export_format="json", include_images=True).json())
everything, archive = document(task)
items = everything["media_items"]
assert everything["info"]["schema_version"] == "1.1" and task["entities_count"] == len(items) == shown["n_images"]
assert sum(name.startswith("images/") for name in archive.namelist()) == len(items)
assert re.fullmatch(r"\d+\.\d\d[KMG]?B", items[0]["file_size"]), items[0]["file_size"]

# The documented script has no JSON reader: it greps.
text = get(f"/dataset/{dataset}/export_status", export_task_id=task["id"]).text
assert re.findall(r'"status":"([^"]*)"', text) == ["COMPLETED"]
assert re.findall(r'"download_uri":"([^"]*)"', text) == [task["download_uri"]]
assert re.findall(r'"id":"([^"]*)"', text) == [task["id"]]

# Searches as the SDK runs them: through export, with VQL.
vql = json.dumps([{"labels": {"op": "one_of", "value": ["car"]}}])
cars, _ = document(wait(get(f"/dataset/{dataset}/export_context_async", export_format="json", entity_type="OBJECTS", vql=vql).json()))
boxes = [
    entry["properties"]
    for item in cars["media_items"] for entry in item["metadata_items"] if entry["type"] == "object_label"
]
assert len(boxes) == 6 and all(box["source"] == "User" and box["bbox"] == [10, 10, 40, 30] for box in boxes), boxes
nothing = get(f"/dataset/{dataset}/export_context_async", export_format="json", labels='["unicorn"]').json()
assert nothing["status"] == "REJECTED" and nothing["download_uri"] is None
similar = json.dumps([{"similarity": {"op": "media", "value": items[0]["media_id"], "threshold": 1.5}}])
near, _ = document(wait(get(f"/dataset/{dataset}/export_context_async", export_format="json", vql=similar, limit=3).json()))
assert near["media_items"][0]["media_id"] == items[0]["media_id"]
assert [item["search_confidence"] for item in near["media_items"]] == sorted(item["search_confidence"] for item in near["media_items"])

# All images at once, and the table that metadata scripts map names by.
assert len(get(f"/dataset/{dataset}/export", export_format="json").json()["media_items"]) == len(items)
lines = get(f"/dataset/{dataset}/export_media_id").text.splitlines()
assert lines[0] == "filename,media_id" and len(lines) == len(items) + 1

# Chosen media, and their near-copies.
chosen = session.post(
    f"{api}/dataset/{dataset}/export_entities_async", params={"include_images": False, "export_format": "json"},
    json={"media_selection": [{"type": "media", "payload": {"media_ids": [items[0]["media_id"], items[1]["media_id"]]}}]},
    timeout=60,
).json()
assert wait(chosen)["entities_count"] == 2
assert isinstance(get(f"/dataset/{dataset}/media/{items[0]['media_id']}/duplicates").json(), list)
assert get(f"/dataset/{dataset}/media/id", original_media_uri=items[0]["file_path"]).text == items[0]["media_id"]

# Labels that come later.
table = "filename,label\n" + "".join(f"{item['file_path']},reviewed\n" for item in items[:3]) + "nobody.jpg,reviewed\n"
begun = session.post(
    f"{api}/dataset/{dataset}/annotations", files={"files": ("image_annotations.csv", table)}, timeout=60
).json()
for _ in range(300):
    report = get(f"/dataset/{dataset}/annotations/{begun['id']}").json()
    if report["status"] in ("COMPLETED", "FAILED"):
        break
    time.sleep(0.2)
assert (report["status"], report["labels"], report["problems_count"]) == ("COMPLETED", 3, 1), report
found = get(f"/explore/{dataset}", labels='["reviewed"]').json()["clusters"]
assert sum(cluster["n_images"] for cluster in found) == 3

if pandas is not None:
    frame = pandas.json_normalize(items)
    assert {"media_id", "file_name", "uniqueness_score", "cluster_id"} <= set(frame.columns)
    task = wait(get(f"/dataset/{dataset}/export_context_async", export_format="parquet", include_images=True).json())
    archive = zipfile.ZipFile(io.BytesIO(requests.get(task["download_uri"], timeout=60).content))
    try:
        frame = pandas.read_parquet(io.BytesIO(archive.read("metadata.parquet")))
    except ImportError:
        print("no reader of Parquet is installed: that part was left out")
    else:
        assert len(frame) == len(items)
        assert all(f"images/{name}" in archive.namelist() for name in frame["image_filename"])
        assert frame["uniqueness_score"].between(0, 1).all()
print("all is as clients rely on it")
