"""Searching with words as a client does it: what the dataset can be searched by, by meaning, by VQL, all pages, a table.

Nothing but the three lines below is particular to an installation.
"""

import json

import requests

BASE_URL = "https://app.example.com/api/v1"
TOKEN = "..."
DATASET_ID = "..."

HEADERS = {"Authorization": f"Bearer {TOKEN}"}

# Distances: 0 is the same, up to 0.4 strong, up to 0.6 partial, above that loose.
CUTOFF = 0.6


def get(path, **parameters):
    response = requests.get(f"{BASE_URL}{path}", headers=HEADERS, params=parameters)
    response.raise_for_status()
    return response.json()


def all_clusters(**parameters):
    """Every page; the one past the end is empty."""
    clusters, page_number = [], 0
    while True:
        page = get(
            f"/explore/{DATASET_ID}", entity_type="IMAGES", threshold=0, page_number=page_number, **parameters
        )
        if not page["clusters"]:
            return clusters
        clusters.extend(page["clusters"])
        page_number += 1


def search_captions(text, cutoff=CUTOFF):
    return all_clusters(caption=text, textual_similarity_threshold=cutoff)


def search_vql(*filters):
    return all_clusters(vql=json.dumps(list(filters)))


def show(title, clusters):
    print(f"{title}: {sum(cluster['n_images'] for cluster in clusters)} images in {len(clusters)} clusters")
    for cluster in clusters:
        # Scores are numbers whenever words were searched for.
        print(
            f"  {cluster['cluster_id'][:8]} {cluster['n_images']} images, {cluster['relevance_score_type']} "
            f"{cluster['relevance_score']:.3f}"
        )
        for preview in cluster["previews"]:
            print(f"    {preview['relevance_score']:.3f} {preview['file_name']} {preview['caption'] or '-'}")


context = get(f"/enrichment/{DATASET_ID}/context")
print(f"context: {json.dumps(context)}")

show("caption", search_captions("a boat on a river at night"))
show("semantic", search_vql({"text": {"op": "semantic", "value": "a boat on a river at night", "threshold": CUTOFF}}))
show("fts", search_vql({"text": {"op": "fts", "value": "river -bridge"}}))
show(
    "semantic and label",
    search_vql(
        {"text": {"op": "semantic", "value": "dogs in the snow", "threshold": 0.8}},
        {"labels": {"op": "one_of", "value": ["odd", "vehicle"]}},
    ),
)
show("fts and issues", search_vql({"text": {"op": "fts", "value": "boat"}}, {"issues": {"op": "issue", "value": "blur", "mode": "out"}}))
print("nothing: %d clusters" % len(search_vql({"text": {"op": "fts", "value": "unicorn"}})))
print("done")
