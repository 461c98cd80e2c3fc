"""Searching with a picture as a client does it: send it, explore around it at once, page by page; then a part of it, and objects.

Nothing but the four lines below is particular to an installation.
"""

import json

import requests

BASE_URL = "https://app.example.com/api/v1"
TOKEN = "..."
DATASET_ID = "..."
QUERY_IMAGE = "query.jpg"

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def upload(path, entity_type="IMAGES", bounding_box=None):
    parameters = {"entity_type": entity_type, "threshold": 0}
    if bounding_box is not None:
        parameters["bounding_box"] = json.dumps(bounding_box)
    with open(path, "rb") as image:
        response = requests.post(
            f"{BASE_URL}/dataset/{DATASET_ID}/search-image-similarity",
            headers=HEADERS,
            params=parameters,
            files={"file": image},
        )
    response.raise_for_status()
    assert response.status_code == 200
    return response.json()


def explore(anchor, entity_type="IMAGES"):
    clusters, page_number = [], 0
    while True:
        response = requests.get(
            f"{BASE_URL}/explore/{DATASET_ID}",
            headers=HEADERS,
            params={
                "anchor_media_id": anchor["anchor_media_id"],
                "anchor_type": anchor["anchor_type"],
                "entity_type": entity_type,
                "threshold": 0,
                "page_number": page_number,
            },
        )
        response.raise_for_status()
        page = response.json()
        if not page["clusters"]:
            return clusters
        clusters.extend(page["clusters"])
        page_number += 1


def show(title, clusters):
    print(f"{title}: {len(clusters)} clusters")
    last = 0
    for cluster in clusters:
        assert cluster["relevance_score"] >= last, "best first"
        last = cluster["relevance_score"]
        print(f"  {cluster['cluster_id'][:8]} {cluster['n_images'] or cluster['n_objects']} of {cluster['type']} at {last:.3f}")
        for preview in cluster["previews"]:
            print(f"    {preview['relevance_score']:.3f} {preview['file_name']} {preview['media_id']}")
            thumbnail = requests.get(preview["media_thumb_uri"])
            assert thumbnail.headers["Content-Type"] == "image/webp"


anchor = upload(QUERY_IMAGE)
print(f"anchor {anchor['anchor_media_id']} {anchor['anchor_type']}")
found = explore(anchor)
show("whole", found)
show("part", explore(upload(QUERY_IMAGE, bounding_box={"x": 0.1, "y": 0.1, "width": 0.8, "height": 0.8})))
show("objects", explore(upload(QUERY_IMAGE, entity_type="OBJECTS"), entity_type="OBJECTS"))
# More like what was found.
best = found[0]["previews"][0]
show("again", explore({"anchor_media_id": best["media_id"], "anchor_type": "MEDIA"}))
print("done")
