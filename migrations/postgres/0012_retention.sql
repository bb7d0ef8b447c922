-- For how many days what a team has is kept; NULL for ever.
CREATE TABLE retention (
    team_id BIGINT NOT NULL PRIMARY KEY REFERENCES teams (id) ON DELETE CASCADE,
    bodies_days BIGINT,
    events_days BIGINT,
    messages_days BIGINT,
    requests_days BIGINT,
    audit_days BIGINT
);

-- Up to which line a team's audit log was deleted, because its time was over, and that line's hash: the chain goes on from
-- there.
CREATE TABLE audit_anchors (
    team_id BIGINT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash TEXT NOT NULL
);

DROP TRIGGER audit_log_keeps_rows ON audit_log;

CREATE TRIGGER audit_log_keeps_texts BEFORE UPDATE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

CREATE FUNCTION refuse_audit_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.sequence > COALESCE((SELECT a.sequence FROM audit_anchors a WHERE a.team_id = OLD.team_id), 0) THEN
        RAISE EXCEPTION 'the audit log is append-only';
    END IF;
    RETURN OLD;
END
$$;

CREATE TRIGGER audit_log_keeps_rows BEFORE DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION refuse_audit_delete();
