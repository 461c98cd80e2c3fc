-- People: passwords, browsers that are signed in, and what an operator may switch on and off.

alter table users
    add column first_name text check (length(first_name) between 1 and 255),
    add column last_name text check (length(last_name) between 1 and 255),
    -- Argon2id as a PHC string; absent for those who have keys only.
    add column password_hash text,
    -- Someone who is not enabled cannot do anything: neither sign in nor use a key.
    add column is_enabled boolean not null default true,
    add column realm_roles text[] not null default '{}',
    add column last_seen_at timestamptz;

-- Browsers that are signed in. Signing out deletes the row.
create table sessions (
    id uuid primary key,
    user_id uuid not null references users (id),
    -- Of the token: who can read this table cannot act as anybody.
    token_sha256 bytea not null unique check (octet_length(token_sha256) = 32),
    -- Where the browser was when it signed in, as far as this server could see.
    ip_address text,
    started_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index sessions_user_idx on sessions (user_id);

-- What was switched away from its default.
create table settings (
    name text primary key,
    value text not null,
    changed_at timestamptz not null default now(),
    changed_by uuid references users (id)
);
