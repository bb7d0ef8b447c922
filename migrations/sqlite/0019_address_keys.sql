-- A recipient brings the key that it is found by, where that is not the address in lower case: SQLite's LOWER knows ASCII
-- letters alone, and xn-- is read by the program. Rows from before keep the keys that they have.
DROP TRIGGER emails_give_keys;
DROP TRIGGER emails_change_keys;
DROP TRIGGER emails_take_keys;

CREATE TRIGGER emails_give_keys AFTER INSERT ON emails
BEGIN
    INSERT INTO email_keys (team_id, kind, key, email_id)
    SELECT new.team_id, 0, COALESCE(r.value ->> 'key', LOWER(r.value ->> 'address')), new.id
    FROM json_each(new.recipients) r
    WHERE r.value ->> 'address' IS NOT NULL
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER emails_change_keys AFTER UPDATE OF recipients ON emails WHEN old.recipients <> new.recipients
BEGIN
    DELETE FROM email_keys
    WHERE team_id = old.team_id AND kind = 0 AND email_id = old.id
        AND key IN (
            SELECT COALESCE(r.value ->> 'key', LOWER(r.value ->> 'address')) FROM json_each(old.recipients) r);
    INSERT INTO email_keys (team_id, kind, key, email_id)
    SELECT new.team_id, 0, COALESCE(r.value ->> 'key', LOWER(r.value ->> 'address')), new.id
    FROM json_each(new.recipients) r
    WHERE r.value ->> 'address' IS NOT NULL
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER emails_take_keys AFTER DELETE ON emails
BEGIN
    DELETE FROM email_keys
    WHERE team_id = old.team_id AND kind = 0 AND email_id = old.id
        AND key IN (
            SELECT COALESCE(r.value ->> 'key', LOWER(r.value ->> 'address')) FROM json_each(old.recipients) r);
END;
