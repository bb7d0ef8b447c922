-- When a team was deleted. From then on nobody gets into it; its rows go a little at a time, and this one last.
ALTER TABLE teams ADD COLUMN deleted_at BIGINT;

CREATE INDEX teams_by_deleted_at ON teams (deleted_at) WHERE deleted_at IS NOT NULL;

-- Attempts of windows that ended go a little at a time too.
CREATE INDEX rate_limits_by_window_ends_at ON rate_limits (window_ends_at);
