-- Saved views, the batches of media they are evaluated on, and what people are told of it.

-- One addition of media to a dataset that existed before.
create table batches (
    id uuid primary key,
    dataset_id uuid not null references datasets (id) on delete cascade,
    -- media.batch and source_items.batch
    number integer not null check (number > 0),
    created_at timestamptz not null default now(),
    unique (dataset_id, number)
);

create table views (
    id uuid primary key,
    dataset_id uuid not null references datasets (id) on delete cascade,
    name text not null check (length(name) between 1 and 255),
    created_by uuid not null references users (id),
    created_at timestamptz not null default now(),
    -- As shown: entity_type, threshold, caption, vql.
    filters jsonb not null,
    monitoring_enabled boolean not null default true,
    -- Only batches from then on are looked at.
    monitoring_started_at timestamptz not null default now(),
    alerting_enabled boolean not null default true,
    -- What the whole dataset had when it was last looked at; -1 until then.
    n_images bigint not null default -1,
    n_objects bigint not null default -1,
    n_video_frames bigint not null default -1,
    constraint views_name_key unique (dataset_id, name)
);

-- How many of a batch match a view.
create table view_results (
    view_id uuid not null references views (id) on delete cascade,
    batch_id uuid not null references batches (id) on delete cascade,
    count bigint not null check (count >= 0),
    created_at timestamptz not null default now(),
    primary key (view_id, batch_id)
);

create table notifications (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users (id),
    entity_type text not null,
    entity_id uuid not null,
    title text not null,
    message text,
    metadata jsonb not null default '{}',
    dataset_id uuid references datasets (id) on delete cascade,
    created_at timestamptz not null default now(),
    read_at timestamptz
);
create index notifications_user_idx on notifications (user_id, created_at desc, id);
create index notifications_dataset_idx on notifications (dataset_id);
