"""Operations that make datasets and change them: sources, additions, enrichment, snapshots, tasks, views, custom metadata."""

import json
import urllib.request


def record(record):
    creation(record)
    metadata(record)
    views(record)
    additions(record)
    notifications(record)
    snapshots(record)
    enrichment(record)


def creation(record):
    server = record.server
    draft = record("create_draft_dataset", "GET", "/ingestion/new_dataset?dataset_name=Draft")["dataset_id"]
    transaction = record("open_upload", "GET", f"/ingestion/{draft}/data_files")["trans_id"]
    record.files("upload_files", f"/ingestion/{draft}/data_files/{transaction}", "files", "a.jpg", server.picture())
    record("process_files", "POST", f"/ingestion/{draft}/process_files/{transaction}")
    record.settled(draft)
    tasks = record("list_tasks", "GET", "/tasks")
    record("get_task", "GET", f"/tasks/{tasks['tasks'][0]['task_id']}")
    record("get_task_filters", "GET", "/tasks/filters")
    record("delete_dataset", "DELETE", f"/dataset/{draft}")
    archived = record.form("create_dataset", "/dataset", {"dataset_name": "Archive", "uploaded_filename": "photos.zip"})
    archive = server.archive("photos.zip", 3)
    path = f"/dataset/{archived['dataset_id']}/upload"
    record.files("upload_archive", path, "file", "photos.zip", archive, [("operations", "READ")])
    record.settled(archived["dataset_id"])
    record("process_path", "GET", f"/process?path={server.photos}&name=By+path")
    # Nothing usable lies there: the creation fails and is tried again.
    empty = server.photos.parent / "empty"
    empty.mkdir()
    (empty / "notes.jpg").write_text("no picture")
    failed = record("process_path_by_post", "POST", f"/process?path={empty}&name=Empty")["dataset_id"]
    record.settled(failed)
    of_failed = f"/tasks?dataset_id={failed}"
    task = server.get(of_failed)["tasks"][0]["task_id"]
    record("retry_task", "POST", f"/tasks/{task}/retry")
    record.settled(failed)
    # Aborted as soon as it was asked for; a worker that is quicker wins, and it is tried with the next one.
    for number in range(20):
        begun = server.get(f"/process?path={server.photos}&name=Aborted+{number}")["dataset_id"]
        task = server.get(f"/tasks?dataset_id={begun}")["tasks"][0]["task_id"]
        status, _, answer = server.call("POST", f"/api/v1/tasks/{task}/abort", server.owner)
        if status == 200:
            record.keep("abort_task", json.loads(answer))
            break


def metadata(record):
    server, dataset = record.server, record.server.dataset
    media = server.media()[0]
    path = f"/datasets/{dataset}/custom_metadata"
    declared = {"field_name": "weather", "field_type": "string"}
    task = record("create_metadata_field", "POST", f"{path}/tasks", declared)["task_id"]
    values = json.dumps([{"media_id": media, "value": "light rain"}, {"media_id": media, "value": 7}]).encode()
    record.files("fill_metadata_field", f"{path}/tasks/{task}", "file", "values.json", values)
    record("get_metadata_task", "GET", f"{path}/tasks/{task}/status")
    record("get_metadata_schema", "GET", f"{path}/schema")
    of_image = f"/datasets/{dataset}/image/{media}/custom_metadata"
    record("get_image_metadata", "GET", of_image)
    record("set_image_metadata", "PUT", of_image, {"field_name": "weather", "value": "rain"})
    record("delete_metadata_field", "DELETE", f"{path}/tasks/{task}")


def views(record):
    dataset = record.server.dataset
    view = record.form("create_view", f"/dataset/{dataset}/views?entity_type=IMAGES&threshold=0", {"name": "All"})
    path = f"/dataset/{dataset}/views/{view['id']}"
    record("set_view_alerting", "POST", f"{path}/alerting", {"request": {"enabled": True}})
    record("change_view", "PATCH", path, {"name": "Everything"})


def additions(record):
    server, dataset = record.server, record.server.dataset
    path = f"/dataset/{dataset}/add_media"
    record.files("add_media", path, "files", "more.jpg", server.picture(-1), [("auto_reindex", "false")])
    record.settled(dataset)
    record("add_media_from_path", "GET", f"/process/add_media?dataset_id={dataset}&path={server.photos}")
    record.settled(dataset)
    record("reindex_dataset", "POST", f"/dataset/{dataset}/reindex")
    record.settled(dataset)


def notifications(record):
    server, dataset = record.server, record.server.dataset
    server.wait_for(lambda: server.get("/notifications/unread-count")["count"] >= 2)
    view = record("list_views", "GET", f"/dataset/{dataset}/views")["views"][0]["id"]
    record("get_view_trend", "GET", f"/dataset/{dataset}/views/{view}/trend")
    told = record("list_notifications", "GET", "/notifications?limit=20")
    record("count_unread_notifications", "GET", "/notifications/unread-count")
    record("read_notification", "POST", f"/notifications/{told['notifications'][0]['id']}/read")
    record("read_all_notifications", "POST", "/notifications/read-all")
    request = urllib.request.Request(
        f"{server.base}/api/v1/notifications/stream", headers={"Authorization": f"Bearer {server.owner}"}
    )
    with urllib.request.urlopen(request, timeout=60) as stream:
        lines = [stream.readline().decode().partition(":") for _ in range(2)]
        record.keep("stream_notifications", {name: value.strip() for name, _, value in lines})
    record("delete_view", "DELETE", f"/dataset/{dataset}/views/{view}")


def snapshots(record):
    dataset = record.server.dataset
    path = f"/dataset/{dataset}/snapshot"
    old = record("list_snapshots", "GET", path)[-1]["snapshot_id"]
    made = record("create_snapshot", "POST", path, {"name": "before labels"})["snapshot_id"]
    record("change_snapshot", "PATCH", f"{path}/{made}", {"description": "as it was on Monday"})
    record("clone_snapshot", "POST", f"{path}/{made}/clone")
    record("restore_snapshot", "POST", f"{path}/{old}/restore")
    record.settled(dataset)
    record("delete_snapshot", "DELETE", f"{path}/{made}")


def enrichment(record):
    server, dataset = record.server, record.server.dataset
    models = server.get(f"/enrichment/{dataset}/list_models")
    wanted = {model["type"]: model["id"] for model in models if model["type"] in ("CAPTION_IMAGES", "OBJECT_DETECTION")}
    asked = {"enrichment_models": wanted}
    context = server.get(f"/enrichment/{dataset}/context")["enrichment_context_id"]
    record("preview_enrichment", "POST", f"/enrichment/{dataset}/{context}/previews_enrichment_result", asked)
    copy = record("enrich_dataset", "POST", f"/dataset/{dataset}/enrich_dataset", asked)["dataset_id"]
    context = server.get(f"/enrichment/{copy}/context")["enrichment_context_id"]
    record("get_enrichment_status", "GET", f"/enrichment/{copy}/{context}/status")
    record("abort_enrichment", "DELETE", f"/enrichment/{copy}/{context}/abort")
    record.settled(dataset)
