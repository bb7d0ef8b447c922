-- A key does at most what the person may who made it, unless it is the team's own, which its scopes alone bound. Keys that
-- nobody in the team made (at the command line, or by another key) become the team's own.
ALTER TABLE api_keys ADD COLUMN belongs_to_team BOOLEAN NOT NULL DEFAULT FALSE;

UPDATE api_keys SET belongs_to_team = TRUE WHERE created_by IS NULL;
