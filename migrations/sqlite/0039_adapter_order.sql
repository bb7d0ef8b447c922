-- The adapters of a team that send the same channels have an order: position 0 is the first, which is the default where one is.
-- One that is down is left alone until probe_at, after so many probes in vain; its messages go by the next one meanwhile.
ALTER TABLE adapters ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE adapters ADD COLUMN down_since INTEGER;
ALTER TABLE adapters ADD COLUMN down_reason TEXT;
ALTER TABLE adapters ADD COLUMN probe_at INTEGER;
ALTER TABLE adapters ADD COLUMN probes INTEGER NOT NULL DEFAULT 0;

UPDATE adapters SET position = (
    SELECT COUNT(*) FROM adapters o
    WHERE o.team_id = adapters.team_id AND o.deleted_at IS NULL
        AND CASE o.kind WHEN 'http' THEN 2 WHEN 'twilio' THEN 1 WHEN 'vonage' THEN 1 ELSE 0 END
            = CASE adapters.kind WHEN 'http' THEN 2 WHEN 'twilio' THEN 1 WHEN 'vonage' THEN 1 ELSE 0 END
        AND (CASE WHEN o.is_default THEN 0 ELSE 1 END, o.created_at, o.id)
            < (CASE WHEN adapters.is_default THEN 0 ELSE 1 END, adapters.created_at, adapters.id));

-- Whether whoever sent a message said by which adapter.
ALTER TABLE emails ADD COLUMN names_adapter INTEGER NOT NULL DEFAULT 0;

-- The adapters that a message was handed on from since its last pause, a JSON array; and whether no other one may have it,
-- because it may have got to this one.
ALTER TABLE outbox ADD COLUMN tried TEXT;
ALTER TABLE outbox ADD COLUMN stays INTEGER NOT NULL DEFAULT 0;

-- What was said in the attempts to send a message, compressed by zstd, without secrets. An attempt has the id of its first
-- event, which holds when, to which host, by which protocol and with which outcome.
CREATE TABLE email_attempts (
    team_id INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    adapter_id INTEGER NOT NULL,
    tls TEXT,
    code INTEGER,
    enhanced_code TEXT,
    duration_ms INTEGER NOT NULL,
    exchange BLOB NOT NULL,
    PRIMARY KEY (team_id, email_id, id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
