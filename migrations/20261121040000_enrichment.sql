-- Enrichment: the steps of a run with their cost, and what a model could not be applied to.

-- The steps of the run that fills a copy, in the order in which they are done.
create table enrichment_steps (
    -- The copy.
    dataset_id uuid not null references datasets (id) on delete cascade,
    position integer not null check (position >= 0),
    -- An enrichment type, or INDEX for the vectors of found objects.
    enrichment_type text not null,
    slot text not null,
    package text not null,
    parameters text not null,
    -- Pictures or objects the step has to cover; 0 for those of objects until they are found.
    units_total bigint not null default 0,
    units_done bigint not null default 0,
    -- Of those done, for how many the model was run; the others had been seen before.
    units_run bigint not null default 0,
    units_failed bigint not null default 0,
    -- What the whole step was expected to take when the run began: its weight in the progress. Never changed during the
    -- run, so that progress cannot fall.
    expected_seconds double precision not null default 0 check (expected_seconds >= 0),
    -- What it took so far: time between handing work to the model and its answer, over all workers.
    busy_seconds double precision not null default 0,
    primary key (dataset_id, position),
    check (units_done <= units_total)
);

-- One row for each picture or object that a model could not be applied to. Never the end of a run.
create table enrichment_failures (
    dataset_id uuid not null references datasets (id) on delete cascade,
    enrichment_type text not null,
    -- A media id or an object id, by the type.
    entity_id uuid not null,
    reason text not null,
    detail text not null,
    primary key (dataset_id, enrichment_type, entity_id)
);

-- What a model takes for one unit, learnt from runs; the next run weighs its steps by it.
create table model_costs (
    package text not null,
    parameters text not null,
    unit_seconds double precision not null check (unit_seconds > 0),
    measured_at timestamptz not null default now(),
    primary key (package, parameters)
);
