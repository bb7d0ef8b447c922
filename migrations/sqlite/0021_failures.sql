-- Why messages did not arrive: a row for each that bounced (status 5) or failed (6), given and taken by triggers, so that
-- whatever writes a status keeps it too. The program fills it in: version is that of its rules, and 0 for a row that it has
-- not looked at; class is FailureClass::code(), fingerprint a digest of what messages of one reason have in common.
CREATE TABLE email_failures (
    team_id INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    class INTEGER,
    fingerprint INTEGER,
    mailbox_provider TEXT,
    adapter_id INTEGER,
    PRIMARY KEY (team_id, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

INSERT INTO email_failures (team_id, email_id, adapter_id)
SELECT team_id, id, adapter_id FROM emails WHERE status IN (5, 6);

CREATE INDEX email_failures_by_version ON email_failures (team_id, version, email_id);

CREATE TRIGGER emails_give_failure AFTER INSERT ON emails WHEN new.status IN (5, 6)
BEGIN
    INSERT INTO email_failures (team_id, email_id, adapter_id)
    VALUES (new.team_id, new.id, new.adapter_id) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER emails_begin_failure AFTER UPDATE OF status ON emails
WHEN new.status IN (5, 6) AND old.status NOT IN (5, 6)
BEGIN
    INSERT INTO email_failures (team_id, email_id, adapter_id)
    VALUES (new.team_id, new.id, new.adapter_id) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER emails_end_failure AFTER UPDATE OF status ON emails
WHEN old.status IN (5, 6) AND new.status NOT IN (5, 6)
BEGIN
    DELETE FROM email_failures WHERE team_id = old.team_id AND email_id = old.id;
END;

-- Goes into the digests, so that nobody finds out by guessing what a server said.
ALTER TABLE teams ADD COLUMN failure_salt TEXT NOT NULL DEFAULT '';

UPDATE teams SET failure_salt = HEX(RANDOMBLOB(16));

CREATE TRIGGER teams_give_salt AFTER INSERT ON teams
BEGIN
    UPDATE teams SET failure_salt = HEX(RANDOMBLOB(16)) WHERE id = new.id;
END;
