-- For how many days what a team has is kept; NULL for ever.
CREATE TABLE retention (
    team_id INTEGER NOT NULL PRIMARY KEY REFERENCES teams (id) ON DELETE CASCADE,
    bodies_days INTEGER,
    events_days INTEGER,
    messages_days INTEGER,
    requests_days INTEGER,
    audit_days INTEGER
) STRICT;

-- Up to which line a team's audit log was deleted, because its time was over, and that line's hash: the chain goes on from
-- there.
CREATE TABLE audit_anchors (
    team_id INTEGER NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;

DROP TRIGGER audit_log_keeps_rows;

CREATE TRIGGER audit_log_keeps_rows BEFORE DELETE ON audit_log
WHEN old.sequence > COALESCE((SELECT a.sequence FROM audit_anchors a WHERE a.team_id = old.team_id), 0)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
