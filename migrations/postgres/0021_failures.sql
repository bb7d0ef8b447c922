-- Why messages did not arrive: a row for each that bounced (status 5) or failed (6), given and taken by triggers, so that
-- whatever writes a status keeps it too. The program fills it in: version is that of its rules, and 0 for a row that it has
-- not looked at; class is FailureClass::code(), fingerprint a digest of what messages of one reason have in common.
CREATE TABLE email_failures (
    team_id BIGINT NOT NULL,
    email_id BIGINT NOT NULL,
    fingerprint BIGINT,
    adapter_id BIGINT,
    version SMALLINT NOT NULL DEFAULT 0,
    class SMALLINT,
    mailbox_provider TEXT,
    PRIMARY KEY (team_id, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
);

INSERT INTO email_failures (team_id, email_id, adapter_id)
SELECT team_id, id, adapter_id FROM emails WHERE status IN (5, 6);

CREATE INDEX email_failures_by_version ON email_failures (team_id, version, email_id);

CREATE FUNCTION keep_failure_of_email() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status IN (5, 6) THEN
        INSERT INTO email_failures (team_id, email_id, adapter_id)
        VALUES (NEW.team_id, NEW.id, NEW.adapter_id) ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM email_failures WHERE team_id = NEW.team_id AND email_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER emails_give_failure AFTER INSERT ON emails
FOR EACH ROW WHEN (NEW.status IN (5, 6)) EXECUTE FUNCTION keep_failure_of_email();

CREATE TRIGGER emails_change_failure AFTER UPDATE OF status ON emails
FOR EACH ROW WHEN ((OLD.status IN (5, 6)) <> (NEW.status IN (5, 6))) EXECUTE FUNCTION keep_failure_of_email();

-- Goes into the digests, so that nobody finds out by guessing what a server said.
ALTER TABLE teams ADD COLUMN failure_salt TEXT NOT NULL DEFAULT gen_random_uuid()::text;
