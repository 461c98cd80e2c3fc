"""Enrichment as a client does it: list the models, start two, poll until the copy is READY.

Nothing but the three lines below is particular to an installation.
"""

import time

import requests

BASE_URL = "https://app.example.com/api/v1"
TOKEN = "..."
DATASET_ID = "..."

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def available_models(dataset_id):
    response = requests.get(f"{BASE_URL}/enrichment/{dataset_id}/list_models", headers=HEADERS)
    response.raise_for_status()
    models = response.json()
    assert isinstance(models, list)
    return [model for model in models if model["status"] == "Active"]


def start_enrichment(dataset_id, models):
    response = requests.post(
        f"{BASE_URL}/dataset/{dataset_id}/enrich_dataset",
        json={"enrichment_models": models},
        headers={**HEADERS, "Content-Type": "application/json"},
    )
    response.raise_for_status()
    return response.json()["dataset_id"]


def wait_until_ready(dataset_id):
    while True:
        response = requests.get(f"{BASE_URL}/dataset/{dataset_id}", headers=HEADERS)
        response.raise_for_status()
        dataset = response.json()
        print(f"{dataset['status_new']} {dataset['progress']}%")
        if dataset["status_new"] == "READY":
            return dataset
        if dataset["status_new"] == "ERROR":
            raise SystemExit(f"enrichment failed: {dataset['fatal_error_msg']}")
        time.sleep(30)


for model in available_models(DATASET_ID):
    print(f"{model['id']}: {model['name']} ({model['type']}), needs {model['dependencies'] or 'nothing'}")

copy = start_enrichment(
    DATASET_ID,
    {
        "CAPTION_IMAGES": "vl_image_captioner_v00",
        "OBJECT_DETECTION": "vl_object_detector_v00",
    },
)
ready = wait_until_ready(copy)
print(f"enriched {ready['id']} of {ready['source_dataset_id']}: {ready['n_objects']} objects")
