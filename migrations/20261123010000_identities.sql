-- People who sign in through an identity provider (OpenID Connect).

-- Which account somebody of a provider is.
create table identities (
    issuer text not null check (length(issuer) between 1 and 2000),
    subject text not null check (length(subject) between 1 and 255),
    user_id uuid not null references users (id),
    created_at timestamptz not null default now(),
    primary key (issuer, subject),
    -- An address that passes to somebody else at the provider does not open the account of the one before.
    unique (issuer, user_id)
);

-- Sign-ins that have come back from a provider: each does so once.
create table spent_sign_ins (
    state_sha256 bytea primary key check (octet_length(state_sha256) = 32),
    expires_at timestamptz not null
);
create index spent_sign_ins_expiry_idx on spent_sign_ins (expires_at);
