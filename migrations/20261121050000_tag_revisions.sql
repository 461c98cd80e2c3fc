-- Tags change more often than anything else a reader looks at: they have a revision of their own, and each tag says at which
-- one it changed last, so that a reader fetches the changed ones only.
alter table datasets add column tags_revision bigint not null default 0;
alter table tags add column revision bigint not null default 0;
