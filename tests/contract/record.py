"""Records an example of each operation from a running server into crates/lamina-http/src/examples.json:

    python3 tests/contract/record.py target/debug/lamina

Ids, times and signatures differ from run to run; the shapes do not, and are what tests compare.
"""

import json
import re
import sys
import time
from pathlib import Path

from server import Running

ROOT = Path(__file__).resolve().parents[2]


def main():
    recorded = {}
    with Running(sys.argv[1], pictures=12) as server:
        dataset = server.dataset

        def record(operation, method, path, body=None, shown=None, headers=None):
            for _ in range(100):
                status, kinds, answer = server.call(method, "/api/v1" + path, server.owner, body, headers)
                # Left-overs of what was asked before.
                if status != 409:
                    break
                time.sleep(0.2)
            if status not in (200, 201, 202):
                print(f"{operation}: {status} {answer[:200]!r}")
                return None
            kind = kinds.get("Content-Type", kinds.get("content-type", ""))
            value = json.loads(answer) if "json" in kind and answer else answer.decode()
            entry = {"answer": shortened(value)}
            if body is not None or shown is not None:
                entry["request"] = shown if shown is not None else body
            recorded[operation] = entry
            return value

        record("get_healthcheck", "GET", "/healthcheck")
        record("list_datasets", "GET", "/datasets")
        record("list_sample_data", "GET", "/datasets/sample_data")
        record("get_dataset", "GET", f"/dataset/{dataset}")
        record("get_creation_status", "GET", f"/datasets/{dataset}/creation-status")
        record("get_dataset_stats", "GET", f"/dataset/{dataset}/stats")
        record("get_user_config", "GET", f"/user_config?dataset_id={dataset}")
        record("list_models", "GET", f"/enrichment/{dataset}/list_models")
        record("get_enrichment_context", "GET", f"/enrichment/{dataset}/context")
        explored = record("explore_dataset", "GET", f"/explore/{dataset}?entity_type=IMAGES&threshold=4")
        cluster = explored["clusters"][0]
        media = cluster["previews"][0]["media_id"]
        record("get_similarity_cluster", "GET", f"/explore/{dataset}/similarity_cluster/{cluster['cluster_id']}?threshold=4")
        record("get_exploration_metadata", "GET", f"/explore/{dataset}/exploration_metadata")
        record("get_image", "GET", f"/image/{media}")
        tag = record("create_tag", "POST", f"/dataset/{dataset}/tags", {"name": "review"})
        record("list_tags", "GET", f"/dataset/{dataset}/tags")
        chosen = {"media_selection": [{"type": "media", "payload": {"media_ids": [media]}}]}
        record("assign_tag", "POST", f"/dataset/{dataset}/tags/{tag['id']}/assign", chosen)
        record("unassign_tag", "POST", f"/dataset/{dataset}/tags/{tag['id']}/unassign", chosen)
        record("rename_tag", "PATCH", f"/dataset/{dataset}/tags/{tag['id']}", {"name": "reviewed"})
        record("delete_tag", "DELETE", f"/dataset/{dataset}/tags/{tag['id']}")
        task = record("export_context_async", "GET", f"/dataset/{dataset}/export_context_async?export_format=json")
        server.export("export_format=json")
        record("get_export_status", "GET", f"/dataset/{dataset}/export_status?export_task_id={task['id']}")
        record("export_entities_async", "POST", f"/dataset/{dataset}/export_entities_async", chosen)
        record("export_document", "GET", f"/dataset/{dataset}/export?export_format=json")
        record("export_media_id", "GET", f"/dataset/{dataset}/export_media_id")
        record("list_duplicates", "GET", f"/dataset/{dataset}/media/{media}/duplicates")
        uri = cluster["previews"][0]["file_name"]
        record("get_media_id", "GET", f"/dataset/{dataset}/media/id?original_media_uri={uri}")
        record("search_media_id", "GET", f"/dataset/{dataset}/search_media_metadata/id?original_media_uri={uri}")
        record("vector_search", "POST", f"/vector_search/{dataset}", {"text": "a red square", "entity_type": "IMAGES", "limit": 2})
        record("list_embedding_models", "GET", f"/vector_search/{dataset}/embedding_models")
        form, kind = multipart("file", "query.jpg", next(server.photos.rglob("*.*")).read_bytes())
        record(
            "search_image_similarity", "POST", f"/dataset/{dataset}/search-image-similarity?entity_type=IMAGES", form,
            {"file": "(a picture)"}, {"Content-Type": kind},
        )
        form, kind = multipart("files", "image_annotations.csv", f"filename,label\n{uri},street\n".encode())
        begun = record(
            "add_annotations", "POST", f"/dataset/{dataset}/annotations", form, {"files": "(image_annotations.csv)"},
            {"Content-Type": kind},
        )
        while server.get(f"/dataset/{dataset}")["status_new"] != "READY":
            time.sleep(0.2)
        record("get_annotations", "GET", f"/dataset/{dataset}/annotations/{begun['id']}")
        record("list_annotations", "GET", f"/dataset/{dataset}/annotations")
        tasks = record("list_tasks", "GET", "/tasks")
        record("get_task", "GET", f"/tasks/{tasks['tasks'][0]['task_id']}")
        draft = record("create_draft_dataset", "GET", "/ingestion/new_dataset?dataset_name=Draft")
        record("open_upload", "GET", f"/ingestion/{draft['dataset_id']}/data_files")
        record("delete_dataset", "DELETE", f"/dataset/{draft['dataset_id']}")
        text = json.dumps(recorded, indent=1, sort_keys=True, ensure_ascii=False)
        # Of the server that was asked nothing stays but the shapes.
        text = text.replace(server.base, "https://lamina.example").replace(server.folder.name, "")
        text = re.sub(r"([?&]s=)[\w-]+", r"\1k3", text)
    target = ROOT / "crates/lamina-http/src/examples.json"
    target.write_text(text + "\n")
    print(f"{len(recorded)} operations")


def multipart(field, name, content):
    boundary = "a-boundary-that-does-not-occur"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def shortened(value):
    """Two entries of every list are enough to see its shape, ten lines of a text."""
    if isinstance(value, list):
        return [shortened(entry) for entry in value[:2]]
    if isinstance(value, dict):
        return {name: shortened(entry) for name, entry in value.items()}
    if isinstance(value, str):
        return "\n".join(value.split("\n")[:3])
    return value


if __name__ == "__main__":
    main()
