-- Additions are numbered for good, and generations too: a restored dataset has fewer of both and must not use a number again.
alter table datasets add column batches_made integer not null default 0;
alter table datasets add column generations_made integer not null default 0;

-- A snapshot is a dataset that nobody sees: the rows of another one as they were. Its media have the ordinals of those they
-- were copied from, contents and generation files are shared.
alter table datasets add column snapshot_of uuid references datasets (id) on delete set null;
create index datasets_snapshot_of_idx on datasets (snapshot_of) where snapshot_of is not null;

create table snapshots (
    -- The dataset that holds its rows.
    id uuid primary key references datasets (id) on delete cascade,
    -- Whose it is; a snapshot goes when its dataset does.
    dataset_id uuid not null references datasets (id) on delete cascade,
    name text not null check (length(name) between 1 and 255),
    description text not null default '' check (length(description) <= 10000),
    reason text not null check (reason in ('manual', 'creation', 'clone')),
    created_by uuid not null references users (id),
    created_at timestamptz not null default now(),
    -- Name of the dataset it was made of, at that time.
    source_dataset_name text not null,
    -- What the dataset was last made into, or from.
    is_current boolean not null default false
);
create unique index snapshots_current_idx on snapshots (dataset_id) where is_current;
create index snapshots_dataset_idx on snapshots (dataset_id, created_at desc);
