-- When each owner of jobs was last given a worker; nobody's jobs count as one owner, the nil UUID.
create table job_turns (
    owner_id uuid primary key,
    served_at timestamptz not null
) with (fillfactor = 70);
