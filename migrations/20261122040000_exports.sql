-- Exports: what was selected, how it is to be written, and the archive once it is there. Kept for a while, then collected.
create table exports (
    id uuid primary key,
    dataset_id uuid not null references datasets (id) on delete cascade,
    created_by uuid not null references users (id),
    -- Name of who asked, as it was then.
    exported_by text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    entity_type text not null check (entity_type in ('IMAGES', 'OBJECTS')),
    -- Clustering level of the cluster ids, 0 to 4.
    level smallint not null check (level between 0 and 4),
    format text not null check (format in ('json', 'parquet', 'csv', 'coco', 'voc', 'yolo')),
    include_images boolean not null,
    file_name text not null,
    -- Page of the dataset, as the caller reaches it; pages of pictures hang below it.
    dataset_url text not null,
    -- Little-endian pairs of ordinal (u32) and cosine distance (f32, NaN where nothing was searched for), best first.
    members bytea not null check (octet_length(members) % 8 = 0),
    status text not null default 'INIT' check (status in ('INIT', 'IN_PROGRESS', 'COMPLETED', 'FAILED', 'REJECTED')),
    -- Of the members.
    written bigint not null default 0,
    result_message text,
    -- The archive.
    blob_key text,
    check ((status = 'COMPLETED') = (blob_key is not null))
);
create index exports_dataset_idx on exports (dataset_id);
create index exports_expiry_idx on exports (expires_at);
