-- Search finds names, metadata and variables too, and letters without their accents. Rows of version 0 are as before; the
-- program puts them in again while it serves, the newest first.
ALTER TABLE email_search
    ADD COLUMN metadata TEXT NOT NULL DEFAULT '',
    ADD COLUMN variables TEXT NOT NULL DEFAULT '',
    ADD COLUMN version SMALLINT NOT NULL DEFAULT 0;

CREATE INDEX email_search_contents ON email_search USING gin (metadata gin_trgm_ops, variables gin_trgm_ops);

CREATE INDEX email_search_before ON email_search (team_id, email_id) WHERE version = 0;

-- The first id of the messages whose variables were put into the index with all variables left out that the template marks.
ALTER TABLE templates ADD COLUMN marked_from BIGINT NOT NULL DEFAULT 0;
