-- Custom metadata: fields that people declare for a dataset, and one value of each per picture.

create table custom_fields (
    -- Also the id of the task that fills it.
    id uuid primary key,
    dataset_id uuid not null references datasets (id) on delete cascade,
    name text not null check (length(name) between 1 and 255),
    field_type text not null check (field_type in ('string', 'float', 'datetime', 'enum', 'link')),
    -- Of an enum; empty for other types.
    enum_options text[] not null default '{}',
    is_multi boolean not null default false,
    status text not null default 'INIT' check (status in ('INIT', 'COMPLETED', 'COMPLETED_WITH_ERRORS')),
    -- Of all files that were sent for it.
    inserted_rows bigint not null default 0,
    error_count bigint not null default 0,
    -- The first few, as shown.
    sample_errors jsonb not null default '[]',
    created_by uuid not null references users (id),
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint custom_fields_name_key unique (dataset_id, name)
);

create table custom_values (
    field_id uuid not null references custom_fields (id) on delete cascade,
    media_id uuid not null references media (id) on delete cascade,
    -- One text of a string or a link, the options of an enum.
    texts text[],
    number double precision,
    moment timestamptz,
    primary key (field_id, media_id),
    check (num_nonnulls(texts, number, moment) = 1)
);
create index custom_values_media_idx on custom_values (media_id);

-- What the API calls tasks: jobs, and fields that are filled.
create view dataset_tasks as
    select j.id, j.kind, j.subject_id as dataset_id, j.created_at, null::uuid as created_by,
        s.state, s.phase, s.error_message, s.started_at, s.finished_at
    from jobs j join job_states s on s.job_id = j.id
    union all
    select f.id, 'custom_metadata', f.dataset_id, f.created_at, f.created_by,
        case f.status when 'INIT' then 'queued' else 'succeeded' end, 'fill', null, f.created_at, f.finished_at
    from custom_fields f;
