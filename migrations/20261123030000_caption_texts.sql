-- What captions say, each text once per dataset and kind of item: captions of models repeat, and a word search looks at texts and
-- ranks texts. Which items have a text is known by text_sha256, and by readers in memory.
create table caption_texts (
    dataset_id uuid not null references datasets (id) on delete cascade,
    entity_type text not null check (entity_type in ('IMAGES', 'OBJECTS')),
    text_sha256 bytea not null check (octet_length(text_sha256) = 32),
    -- What readers know the text by; never used again.
    id bigint generated always as identity,
    words tsvector not null,
    primary key (dataset_id, entity_type, text_sha256)
);

insert into caption_texts (dataset_id, entity_type, text_sha256, words)
select distinct on (dataset_id, entity_type, text_sha256) dataset_id, entity_type, text_sha256, words
from captions order by dataset_id, entity_type, text_sha256;

create index caption_texts_words_idx on caption_texts using gin (words);

-- Takes captions_words_idx with it.
alter table captions drop column words;

-- Captions are written by sets, in many places, and none of them may forget the texts. Texts that no caption has any more stay
-- until the dataset's captions are replaced as a whole: readers pass over them.
create function lamina_keep_caption_texts() returns trigger language plpgsql as $$
begin
    -- In one order everywhere, so that writers of the same texts wait for each other and never in a circle.
    insert into caption_texts (dataset_id, entity_type, text_sha256, words)
    select s.dataset_id, s.entity_type, s.text_sha256, to_tsvector('english', s.caption)
    from (select distinct on (dataset_id, entity_type, text_sha256) * from said
          order by dataset_id, entity_type, text_sha256) s
    where not exists (select from caption_texts t where t.dataset_id = s.dataset_id and t.entity_type = s.entity_type
                      and t.text_sha256 = s.text_sha256)
    order by 1, 2, 3
    on conflict do nothing;
    return null;
end
$$;
create trigger captions_inserted after insert on captions
    referencing new table as said for each statement execute function lamina_keep_caption_texts();
create trigger captions_updated after update on captions
    referencing new table as said for each statement execute function lamina_keep_caption_texts();
