-- Regions of contents, what models say about them and about texts, and which package each slot is bound to.

-- What an object shows: a box of a content. Keyed by content like everything a model says, so that the same box in ten datasets is
-- cropped, measured and embedded once.
create table regions (
    id bigint generated always as identity primary key,
    content_id bigint not null references contents (id) on delete cascade,
    -- Fractions of the turned picture.
    x double precision not null check (x between 0 and 1),
    y double precision not null check (y between 0 and 1),
    width double precision not null check (width > 0 and width <= 1),
    height double precision not null check (height > 0 and height <= 1),
    unique (content_id, x, y, width, height)
);

-- As content_measures, of the crop.
create table region_measures (
    region_id bigint primary key references regions (id) on delete cascade,
    version integer not null,
    sharpness real not null,
    luma_low real not null,
    luma_high real not null,
    blur_confidence real not null check (blur_confidence between 0 and 1),
    dark_confidence real not null check (dark_confidence between 0 and 1),
    bright_confidence real not null check (bright_confidence between 0 and 1),
    is_truncated boolean not null default false
);

-- As outputs, of the crop.
create table region_outputs (
    region_id bigint not null references regions (id) on delete cascade,
    package text not null,
    parameters text not null,
    vector bytea,
    value jsonb,
    created_at timestamptz not null default now(),
    primary key (region_id, package, parameters),
    check (vector is not null or value is not null)
);

-- Nothing wrote objects before this; their boxes live in their regions.
alter table objects
    add column region_id bigint not null references regions (id),
    drop column x,
    drop column y,
    drop column width,
    drop column height;
create index objects_region_idx on objects (region_id);

-- convert_to is not marked immutable, though it is for a fixed encoding; generated columns insist.
create function lamina_text_digest(body text) returns bytea
    language sql immutable strict parallel safe
    return sha256(convert_to(body, 'UTF8'));

alter table captions
    add column text_sha256 bytea not null generated always as (lamina_text_digest(caption)) stored;
create index captions_text_idx on captions (text_sha256);

-- Embeddings of caption texts, once per owner and text: little-endian f16, L2-normalised.
create table text_vectors (
    owner_id uuid not null references users (id),
    text_sha256 bytea not null check (octet_length(text_sha256) = 32),
    package text not null,
    parameters text not null,
    vector bytea not null,
    created_at timestamptz not null default now(),
    primary key (owner_id, text_sha256, package, parameters)
);

-- Slots bound by the operator; a slot without a row has the catalog's default.
create table slot_bindings (
    slot text primary key,
    -- `name@version`
    package text not null,
    -- What outputs are keyed by beside the package: score_threshold, beams, ...
    parameters jsonb not null default '{}',
    bound_at timestamptz not null default now()
);
