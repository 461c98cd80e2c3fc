"""Operations that look, and those of exports, tags and annotations."""


def record(record):
    server, dataset = record.server, record.server.dataset
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
    of_cluster = f"/explore/{dataset}/similarity_cluster/{cluster['cluster_id']}?threshold=4"
    record("get_similarity_cluster", "GET", of_cluster)
    record("get_exploration_metadata", "GET", f"/explore/{dataset}/exploration_metadata")
    record("get_image", "GET", f"/image/{media}")
    record("list_duplicates", "GET", f"/dataset/{dataset}/media/{media}/duplicates")
    uri = cluster["previews"][0]["file_name"]
    record("get_media_id", "GET", f"/dataset/{dataset}/media/id?original_media_uri={uri}")
    record("search_media_id", "GET", f"/dataset/{dataset}/search_media_metadata/id?original_media_uri={uri}")
    asked = {"text": "a red square", "entity_type": "IMAGES", "limit": 2}
    record("vector_search", "POST", f"/vector_search/{dataset}", asked)
    record("list_embedding_models", "GET", f"/vector_search/{dataset}/embedding_models")
    search = f"/dataset/{dataset}/search-image-similarity?entity_type=IMAGES"
    record.files("search_image_similarity", search, "file", "query.jpg", server.picture())

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

    table = f"filename,label\n{uri},street\n".encode()
    begun = record.files("add_annotations", f"/dataset/{dataset}/annotations", "files", "image_annotations.csv", table)
    record.settled(dataset)
    record("get_annotations", "GET", f"/dataset/{dataset}/annotations/{begun['id']}")
    record("list_annotations", "GET", f"/dataset/{dataset}/annotations")
