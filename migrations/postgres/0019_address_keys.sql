-- A recipient brings the key that it is found by, where that is not the address in lower case: LOWER follows the database's
-- locale, and xn-- is read by the program. Rows from before keep the keys that they have.
CREATE OR REPLACE FUNCTION keep_keys_of_email() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM email_keys
        WHERE team_id = OLD.team_id AND kind = 0 AND email_id = OLD.id
            AND key IN (
                SELECT COALESCE(r.value ->> 'key', LOWER(r.value ->> 'address'))
                FROM jsonb_array_elements(OLD.recipients) AS r (value));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO email_keys (team_id, kind, key, email_id)
        SELECT NEW.team_id, 0, COALESCE(r.value ->> 'key', LOWER(r.value ->> 'address')), NEW.id
        FROM jsonb_array_elements(NEW.recipients) AS r (value)
        WHERE r.value ->> 'address' IS NOT NULL
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
