-- What messages are looked up by, one row a message and value: its recipients' addresses (kind 0), and, of its events, the
-- host (1), that host's network address (2), the mail exchanger (3) and the protocol (4), all in lower case. Kept by
-- triggers, so that whatever writes a message or an event keeps it too.
CREATE TABLE email_keys (
    team_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    email_id INTEGER NOT NULL,
    PRIMARY KEY (team_id, kind, key, email_id)
) STRICT, WITHOUT ROWID;

INSERT INTO email_keys (team_id, kind, key, email_id)
SELECT DISTINCT e.team_id, 0, LOWER(r.value ->> 'address'), e.id
FROM emails e, json_each(e.recipients) r
WHERE r.value ->> 'address' IS NOT NULL;

INSERT INTO email_keys (team_id, kind, key, email_id)
SELECT DISTINCT v.team_id, k.kind, LOWER(v.detail ->> k.field), v.email_id
FROM email_events v
CROSS JOIN (
    SELECT 1 AS kind, 'server' AS field
    UNION ALL SELECT 2, 'server_ip'
    UNION ALL SELECT 3, 'mx'
    UNION ALL SELECT 4, 'protocol'
) k
WHERE v.detail ->> k.field IS NOT NULL;

CREATE TRIGGER emails_give_keys AFTER INSERT ON emails
BEGIN
    INSERT INTO email_keys (team_id, kind, key, email_id)
    SELECT new.team_id, 0, LOWER(r.value ->> 'address'), new.id
    FROM json_each(new.recipients) r
    WHERE r.value ->> 'address' IS NOT NULL
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER emails_change_keys AFTER UPDATE OF recipients ON emails WHEN old.recipients <> new.recipients
BEGIN
    DELETE FROM email_keys
    WHERE team_id = old.team_id AND kind = 0 AND email_id = old.id
        AND key IN (SELECT LOWER(r.value ->> 'address') FROM json_each(old.recipients) r);
    INSERT INTO email_keys (team_id, kind, key, email_id)
    SELECT new.team_id, 0, LOWER(r.value ->> 'address'), new.id
    FROM json_each(new.recipients) r
    WHERE r.value ->> 'address' IS NOT NULL
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER emails_take_keys AFTER DELETE ON emails
BEGIN
    DELETE FROM email_keys
    WHERE team_id = old.team_id AND kind = 0 AND email_id = old.id
        AND key IN (SELECT LOWER(r.value ->> 'address') FROM json_each(old.recipients) r);
END;

CREATE TRIGGER email_events_give_keys AFTER INSERT ON email_events
BEGIN
    INSERT INTO email_keys (team_id, kind, key, email_id)
    SELECT new.team_id, k.kind, LOWER(new.detail ->> k.field), new.email_id
    FROM (
        SELECT 1 AS kind, 'server' AS field
        UNION ALL SELECT 2, 'server_ip'
        UNION ALL SELECT 3, 'mx'
        UNION ALL SELECT 4, 'protocol'
    ) k
    WHERE new.detail ->> k.field IS NOT NULL
    ON CONFLICT DO NOTHING;
END;

-- Events are deleted a whole message at a time.
CREATE TRIGGER email_events_take_keys AFTER DELETE ON email_events
BEGIN
    DELETE FROM email_keys
    WHERE team_id = old.team_id AND kind = 1 AND key = LOWER(old.detail ->> 'server') AND email_id = old.email_id;
    DELETE FROM email_keys
    WHERE team_id = old.team_id AND kind = 2 AND key = LOWER(old.detail ->> 'server_ip') AND email_id = old.email_id;
    DELETE FROM email_keys
    WHERE team_id = old.team_id AND kind = 3 AND key = LOWER(old.detail ->> 'mx') AND email_id = old.email_id;
    DELETE FROM email_keys
    WHERE team_id = old.team_id AND kind = 4 AND key = LOWER(old.detail ->> 'protocol') AND email_id = old.email_id;
END;

CREATE INDEX emails_by_external_user ON emails (team_id, external_user_id, id) WHERE external_user_id IS NOT NULL;

CREATE INDEX notifications_by_external_user ON notifications (team_id, external_user_id, id)
WHERE external_user_id IS NOT NULL;

CREATE INDEX notifications_by_kind ON notifications (team_id, kind, id);

CREATE INDEX api_requests_by_key ON api_requests (team_id, api_key_id, id) WHERE api_key_id IS NOT NULL;
