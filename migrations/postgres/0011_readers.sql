-- What messages are looked up by, one row a message and value: its recipients' addresses (kind 0), and, of its events, the
-- host (1), that host's network address (2), the mail exchanger (3) and the protocol (4), all in lower case. Kept by
-- triggers, so that whatever writes a message or an event keeps it too.
CREATE TABLE email_keys (
    team_id BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    key TEXT NOT NULL,
    email_id BIGINT NOT NULL,
    PRIMARY KEY (team_id, kind, key, email_id)
);

INSERT INTO email_keys (team_id, kind, key, email_id)
SELECT DISTINCT e.team_id, 0, LOWER(r.value ->> 'address'), e.id
FROM emails e, jsonb_array_elements(e.recipients) AS r (value)
WHERE r.value ->> 'address' IS NOT NULL;

INSERT INTO email_keys (team_id, kind, key, email_id)
SELECT DISTINCT v.team_id, k.kind, LOWER(v.detail ->> k.field), v.email_id
FROM email_events v
CROSS JOIN (VALUES (1, 'server'), (2, 'server_ip'), (3, 'mx'), (4, 'protocol')) AS k (kind, field)
WHERE v.detail ->> k.field IS NOT NULL;

CREATE FUNCTION keep_keys_of_email() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM email_keys
        WHERE team_id = OLD.team_id AND kind = 0 AND email_id = OLD.id
            AND key IN (SELECT LOWER(r.value ->> 'address') FROM jsonb_array_elements(OLD.recipients) AS r (value));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO email_keys (team_id, kind, key, email_id)
        SELECT NEW.team_id, 0, LOWER(r.value ->> 'address'), NEW.id
        FROM jsonb_array_elements(NEW.recipients) AS r (value)
        WHERE r.value ->> 'address' IS NOT NULL
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER emails_give_keys AFTER INSERT OR DELETE ON emails
FOR EACH ROW EXECUTE FUNCTION keep_keys_of_email();

CREATE TRIGGER emails_change_keys AFTER UPDATE OF recipients ON emails
FOR EACH ROW WHEN (OLD.recipients IS DISTINCT FROM NEW.recipients) EXECUTE FUNCTION keep_keys_of_email();

CREATE FUNCTION keep_keys_of_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO email_keys (team_id, kind, key, email_id)
        SELECT NEW.team_id, k.kind, LOWER(NEW.detail ->> k.field), NEW.email_id
        FROM (VALUES (1, 'server'), (2, 'server_ip'), (3, 'mx'), (4, 'protocol')) AS k (kind, field)
        WHERE NEW.detail ->> k.field IS NOT NULL
        ON CONFLICT DO NOTHING;
    ELSE
        -- Events are deleted a whole message at a time.
        DELETE FROM email_keys x
        USING (VALUES (1, 'server'), (2, 'server_ip'), (3, 'mx'), (4, 'protocol')) AS k (kind, field)
        WHERE x.team_id = OLD.team_id AND x.kind = k.kind AND x.key = LOWER(OLD.detail ->> k.field)
            AND x.email_id = OLD.email_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER email_events_give_keys AFTER INSERT OR DELETE ON email_events
FOR EACH ROW EXECUTE FUNCTION keep_keys_of_event();

CREATE INDEX emails_by_external_user ON emails (team_id, external_user_id, id) WHERE external_user_id IS NOT NULL;

CREATE INDEX notifications_by_external_user ON notifications (team_id, external_user_id, id)
WHERE external_user_id IS NOT NULL;

CREATE INDEX notifications_by_kind ON notifications (team_id, kind, id);

CREATE INDEX api_requests_by_key ON api_requests (team_id, api_key_id, id) WHERE api_key_id IS NOT NULL;
