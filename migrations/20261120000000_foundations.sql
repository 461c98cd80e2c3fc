-- Lamina's schema: users, datasets, content, media, outputs, index generations, jobs.
-- Tables plural; statuses are text with a check; ids are UUIDs made by the program; times are timestamptz.

create table users (
    id uuid primary key,
    name text not null check (length(name) between 1 and 255),
    email text check (length(email) <= 255),
    role text not null check (role in ('admin', 'editor', 'viewer')),
    created_at timestamptz not null default now(),
    deleted_at timestamptz
);
create unique index users_name_key on users (name) where deleted_at is null;
create unique index users_email_key on users (lower(email)) where deleted_at is null;

-- HS256 needs the clear secret, so it is kept encrypted (AES-256-GCM, additional data = key id and user id).
create table api_keys (
    id text primary key check (id ~ '^[A-Za-z0-9_-]{16,64}$'),
    user_id uuid not null references users (id),
    name text not null default '',
    scopes text[] not null default '{}',
    secret_nonce bytea not null,
    secret_ciphertext bytea not null,
    master_key_id text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
create index api_keys_user_idx on api_keys (user_id);

create table datasets (
    id uuid primary key,
    owner_id uuid not null references users (id),
    display_name text not null check (length(display_name) between 1 and 255),
    description text not null default '',
    source_type text not null check (source_type in ('BUCKET', 'UPLOAD', 'FOLDER', 'VL')),
    source_uri text not null default '',
    filename text,
    serve_mode text not null default 'copy' check (serve_mode in ('copy', 'reduce_disk_space')),
    status text not null check (status in ('DRAFT', 'INDEXING', 'READ ONLY', 'PARTIAL INDEX', 'READY', 'ERROR')),
    progress real not null default 0 check (progress between 0 and 100),
    fatal_error_msg text,
    source_dataset_id uuid references datasets (id) on delete set null,
    is_public boolean not null default false,
    -- Bumping it ends the life of every media link that was given out.
    link_epoch integer not null default 0,
    -- Moves with every change that a reader has to see; snapshots are kept per revision.
    revision bigint not null default 0,
    n_images integer not null default 0,
    n_videos integer not null default 0,
    n_objects integer not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz,
    -- Marked first, removed by a job.
    deleted_at timestamptz
);
create index datasets_owner_idx on datasets (owner_id, created_at desc) where deleted_at is null;
create index datasets_source_idx on datasets (source_dataset_id) where source_dataset_id is not null;

create table dataset_shares (
    dataset_id uuid not null references datasets (id) on delete cascade,
    user_id uuid not null references users (id),
    role text not null check (role in ('editor', 'viewer')),
    created_at timestamptz not null default now(),
    primary key (dataset_id, user_id)
);
create index dataset_shares_user_idx on dataset_shares (user_id);

-- Pixels, once per owner and SHA-256. Everything a model says about them hangs on this row.
create table contents (
    id bigint generated always as identity primary key,
    owner_id uuid not null references users (id),
    sha256 bytea not null check (octet_length(sha256) = 32),
    byte_size bigint not null,
    format text not null,
    -- Of the turned picture.
    width integer not null check (width > 0),
    height integer not null check (height > 0),
    -- False while the original is served from its own place only.
    has_original boolean not null,
    created_at timestamptz not null default now(),
    unique (owner_id, sha256)
);

-- Pixel measures of a content; definitions in lamina-media. `version` moves when a definition does.
create table content_measures (
    content_id bigint primary key references contents (id) on delete cascade,
    version integer not null,
    sharpness real not null,
    luma_low real not null,
    luma_high real not null,
    blur_confidence real not null check (blur_confidence between 0 and 1),
    dark_confidence real not null check (dark_confidence between 0 and 1),
    bright_confidence real not null check (bright_confidence between 0 and 1),
    is_truncated boolean not null default false
);

-- What a model package says about a content, with which parameters. Never updated: replaced packages write new rows.
create table outputs (
    content_id bigint not null references contents (id) on delete cascade,
    package text not null,
    parameters text not null,
    -- Little-endian f16, L2-normalised; for embeddings.
    vector bytea,
    -- Captions, boxes, tags.
    value jsonb,
    created_at timestamptz not null default now(),
    primary key (content_id, package, parameters),
    check (vector is not null or value is not null)
);

-- Which package and parameters each of a dataset's vector spaces was made with.
create table dataset_spaces (
    dataset_id uuid not null references datasets (id) on delete cascade,
    entity_type text not null check (entity_type in ('IMAGES', 'OBJECTS')),
    space text not null check (space in ('INDEX', 'MULTIMODEL_IMAGE_ENCODING', 'MULTIMODEL_OBJECT_ENCODING', 'CAPTION_TEXT')),
    package text not null,
    parameters text not null,
    dimension integer not null check (dimension > 0),
    primary key (dataset_id, entity_type, space)
);

-- What a source was found to hold, and what became of each file: the checkpoint of an ingest and its report.
create table source_items (
    dataset_id uuid not null references datasets (id) on delete cascade,
    -- One per creation or addition.
    batch integer not null,
    position integer not null,
    -- Unique in the batch: path inside the source, upload number, archive entry.
    source_key text not null,
    file_name text not null,
    -- Path inside the source, as shown.
    original_uri text not null,
    -- Where the file stays, when originals are not copied (serve_mode reduce_disk_space).
    source_path text,
    state text not null default 'pending' check (state in ('pending', 'done', 'rejected')),
    reason text,
    detail text,
    content_id bigint references contents (id),
    primary key (dataset_id, batch, position),
    unique (dataset_id, batch, source_key),
    check ((state = 'rejected') = (reason is not null)),
    check ((state = 'done') = (content_id is not null))
);

create table media (
    -- Made here, by insert-select (version 4); every other id is the program's.
    id uuid primary key,
    dataset_id uuid not null references datasets (id) on delete cascade,
    -- Dense within the dataset: 0..n-1. All in-memory work is on ordinals.
    ordinal integer not null check (ordinal >= 0),
    content_id bigint not null references contents (id),
    media_type text not null default 'image' check (media_type in ('image', 'video_frame')),
    file_name text not null,
    original_uri text not null,
    -- Where the original lies when it is not in the blob store (serve_mode reduce_disk_space).
    source_path text,
    batch integer not null default 0,
    created_at timestamptz not null default now(),
    unique (dataset_id, ordinal)
);
create index media_content_idx on media (content_id);
create index source_items_content_idx on source_items (content_id) where content_id is not null;

create table objects (
    id uuid primary key,
    dataset_id uuid not null references datasets (id) on delete cascade,
    ordinal integer not null check (ordinal >= 0),
    media_id uuid not null references media (id) on delete cascade,
    -- Fractions of the turned picture.
    x double precision not null,
    y double precision not null,
    width double precision not null check (width > 0),
    height double precision not null check (height > 0),
    label text not null,
    confidence real,
    source text not null check (source in ('User', 'Visual Layer', 'Model')),
    original_id bigint not null default -1,
    unique (dataset_id, ordinal)
);
create index objects_media_idx on objects (media_id);

create table labels (
    dataset_id uuid not null references datasets (id) on delete cascade,
    media_id uuid not null references media (id) on delete cascade,
    name text not null check (length(name) between 1 and 255),
    source text not null check (source in ('User', 'Visual Layer', 'Model')),
    confidence real,
    original_id bigint not null default -1,
    primary key (media_id, name, source)
);
create index labels_dataset_idx on labels (dataset_id, name);

create table captions (
    dataset_id uuid not null references datasets (id) on delete cascade,
    entity_type text not null check (entity_type in ('IMAGES', 'OBJECTS')),
    -- A media id or an object id, by entity type.
    entity_id uuid not null,
    source text not null check (source in ('User', 'Visual Layer', 'Model')),
    caption text not null,
    words tsvector generated always as (to_tsvector('english', caption)) stored,
    primary key (dataset_id, entity_type, entity_id, source)
);
create index captions_words_idx on captions using gin (words);

create table tags (
    id uuid primary key,
    dataset_id uuid not null references datasets (id) on delete cascade,
    name text not null check (length(name) between 1 and 255),
    created_by uuid not null references users (id),
    created_at timestamptz not null default now(),
    constraint tags_name_key unique (dataset_id, name)
);

create table media_tags (
    tag_id uuid not null references tags (id) on delete cascade,
    media_id uuid not null references media (id) on delete cascade,
    assigned_at timestamptz not null default now(),
    primary key (tag_id, media_id)
);
create index media_tags_media_idx on media_tags (media_id);

-- A generation is one immutable, checksummed file of derived data in the blob store. The newest row is the published one.
create table index_generations (
    dataset_id uuid not null references datasets (id) on delete cascade,
    entity_type text not null check (entity_type in ('IMAGES', 'OBJECTS')),
    space text not null check (space in ('INDEX', 'MULTIMODEL_IMAGE_ENCODING', 'MULTIMODEL_OBJECT_ENCODING', 'CAPTION_TEXT')),
    number integer not null check (number > 0),
    -- Whose ordinals the file speaks of: a copy points at its source's file.
    origin_dataset_id uuid not null,
    blob_key text not null,
    checksum bytea not null check (octet_length(checksum) = 32),
    count integer not null check (count >= 0),
    created_at timestamptz not null default now(),
    primary key (dataset_id, entity_type, space, number)
);

-- A picture uploaded for a search (contract 5); never part of the dataset.
create table anchors (
    id uuid primary key,
    dataset_id uuid not null references datasets (id) on delete cascade,
    entity_type text not null check (entity_type in ('IMAGES', 'OBJECTS')),
    package text not null,
    parameters text not null,
    vector bytea not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index anchors_expiry_idx on anchors (expires_at);

create table enrichment_contexts (
    id uuid primary key,
    dataset_id uuid not null unique references datasets (id) on delete cascade,
    status text not null default 'NEW' check (status in ('NEW', 'IN_PROGRESS', 'COMPLETED', 'FAILED', 'ABORTED'))
);

-- What has been applied to a dataset: enrichment type -> slot, and the package and parameters behind it.
create table applied_models (
    dataset_id uuid not null references datasets (id) on delete cascade,
    enrichment_type text not null,
    slot text not null,
    package text not null,
    parameters text not null,
    applied_at timestamptz not null default now(),
    primary key (dataset_id, enrichment_type)
);

create table upload_transactions (
    -- Random, 63 bits: the wire form is an integer and must not be guessable.
    id bigint primary key check (id > 0),
    dataset_id uuid not null references datasets (id) on delete cascade,
    state text not null default 'open' check (state in ('open', 'processed')),
    created_at timestamptz not null default now()
);
create index upload_transactions_dataset_idx on upload_transactions (dataset_id);

create table upload_files (
    transaction_id bigint not null references upload_transactions (id) on delete cascade,
    position integer not null,
    file_name text not null,
    sha256 bytea not null check (octet_length(sha256) = 32),
    byte_size bigint not null,
    primary key (transaction_id, position)
);

-- Jobs: the spec is immutable, the state row is small and changes often, chunks are what workers claim.
create table jobs (
    id uuid primary key,
    kind text not null,
    -- The tenant, for fair shares; the subject, for look-ups. The queue knows nothing else of them.
    owner_id uuid,
    subject_id uuid,
    spec jsonb not null,
    priority smallint not null default 0,
    created_at timestamptz not null default now()
);
create index jobs_subject_idx on jobs (subject_id, created_at desc);

create table job_states (
    job_id uuid primary key references jobs (id) on delete cascade,
    state text not null default 'queued' check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    phase text not null,
    -- Of the present phase.
    units_total bigint not null default 0,
    units_done bigint not null default 0,
    error_message text,
    started_at timestamptz,
    finished_at timestamptz,
    updated_at timestamptz not null default now()
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create index job_states_live_idx on job_states (job_id) where state in ('queued', 'running');

create table job_chunks (
    id bigint generated always as identity primary key,
    job_id uuid not null references jobs (id) on delete cascade,
    phase text not null,
    -- Half-open range of units this chunk covers; what a unit is belongs to the job's kind.
    first_unit bigint not null,
    end_unit bigint not null,
    state text not null default 'ready' check (state in ('ready', 'running', 'done', 'failed')),
    run_at timestamptz not null default now(),
    -- Counted at claim, so that a chunk that ends the process is counted too.
    attempt integer not null default 0,
    lease_token bigint not null default 0,
    lease_expires_at timestamptz,
    -- How often a lease ran out on this chunk: its worker was ended, or got stuck.
    expiries integer not null default 0,
    -- Cut out of a chunk that failed as a whole; one of its units is to blame.
    is_suspect boolean not null default false,
    worker text,
    error_message text,
    check (first_unit <= end_unit),
    unique (job_id, phase, first_unit)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
-- A claim walks the open chunks of a live job in the order of their units; those of finished jobs are deleted.
create index job_chunks_claim_idx on job_chunks (job_id, phase, first_unit) where state in ('ready', 'running');
create index job_chunks_leases_idx on job_chunks (lease_expires_at) where state = 'running';
