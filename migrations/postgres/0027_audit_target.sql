-- Everything that was done to one thing, newest first.
CREATE INDEX audit_log_by_target ON audit_log (team_id, target, sequence) WHERE target IS NOT NULL;
