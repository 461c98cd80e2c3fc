-- Annotations that people bring: files read into rows, matched with pictures, turned into labels, captions and objects.
create table annotation_imports (
    id uuid primary key,
    dataset_id uuid not null references datasets (id) on delete cascade,
    created_by uuid references users (id),
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    status text not null default 'INIT' check (status in ('INIT', 'IN_PROGRESS', 'COMPLETED', 'FAILED')),
    -- Names of the files.
    files text[] not null,
    -- What was taken over.
    boxes bigint not null default 0,
    labels bigint not null default 0,
    captions bigint not null default 0,
    -- Rows that were not.
    problems bigint not null default 0,
    -- Why it failed.
    result_message text
);
create index annotation_imports_dataset_idx on annotation_imports (dataset_id, created_at);

-- One thing that a file says of a picture. Rows that are taken over go when the import is done; those with a problem stay.
create table annotation_rows (
    import_id uuid not null references annotation_imports (id) on delete cascade,
    n bigint not null,
    file text not null,
    -- Line, record or number of the entry; 0 for the file as a whole.
    place bigint not null,
    -- As the file says it: a path, a path without extension, a media id, or nothing that could be read.
    picture text,
    picture_kind text check (picture_kind in ('path', 'stem', 'id')),
    label text,
    caption text,
    -- Left, top, width, height, in pixels of a picture of `ref_width` x `ref_height` (the picture's own size without them), or in
    -- fractions.
    area double precision [],
    area_unit text check (area_unit in ('pixels', 'fractions')),
    ref_width integer,
    ref_height integer,
    original_id bigint not null default -1,
    -- Filled in by the job.
    media_id uuid,
    region_id bigint,
    object_id uuid,
    problem text,
    primary key (import_id, n)
);

alter table annotation_rows add constraint annotation_rows_area check ((area is null) = (area_unit is null));
