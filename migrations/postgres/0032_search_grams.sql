-- Search finds words of one and two letters too, and a team pays for its own messages alone: each message is in the index by all
-- pieces of three bytes of what is searched of it, each with the id of its team before it. A text counts to its 40,000th byte,
-- as a tsvector has its limit. What a call costs is said high, so that nobody plans to call it for each row.
CREATE FUNCTION search_grams(team_id BIGINT, recipients TEXT, subject TEXT, metadata TEXT, variables TEXT) RETURNS TSVECTOR
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 100000
AS $$
DECLARE
    team TEXT := to_hex(team_id) || '.';
    texts BYTEA := convert_to(recipients || E'\n' || subject || E'\n' || metadata || variables || E'\n', 'UTF8');
BEGIN
    RETURN (
        SELECT array_to_tsvector(array_agg(team || encode(substring(texts FROM i FOR 3), 'hex')))
        FROM generate_series(1, LEAST(length(texts), 40000)) AS i
    );
END
$$;

-- Rows of before are of version 0 or 1; the program puts them in again while it serves, the newest first. New rows wait in a
-- list of their own, which every search goes through: a short one.
CREATE INDEX email_search_grams ON email_search
USING gin (search_grams(team_id, recipients, subject, metadata, variables))
WITH (gin_pending_list_limit = 256)
WHERE version = 2;

DROP INDEX email_search_before;

CREATE INDEX email_search_before ON email_search (team_id, email_id) WHERE version < 2;

-- While there are such rows, the indexes of before are asked; the program drops them then.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM email_search) THEN
        INSERT INTO settings (name, value) VALUES ('search_trigrams', 'yes');
    ELSE
        DROP INDEX email_search_recipients;
        DROP INDEX email_search_subject;
        DROP INDEX email_search_contents;
    END IF;
END
$$;
