-- Imports of what other systems know of a team's messages. The key that one reads with is sealed, and gone once it has ended.
CREATE TABLE history_imports (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    source TEXT NOT NULL,
    way JSONB NOT NULL,
    state TEXT NOT NULL,
    sealed TEXT NOT NULL,
    -- How far it came at the source; empty for a file, whose parts go as they are read.
    cursor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    records BIGINT NOT NULL DEFAULT 0,
    recorded BIGINT NOT NULL DEFAULT 0,
    known BIGINT NOT NULL DEFAULT 0,
    unusable BIGINT NOT NULL DEFAULT 0,
    -- The times of the first and of the last event that were read.
    seen_from BIGINT,
    seen_until BIGINT,
    words TEXT NOT NULL DEFAULT '',
    -- How often the source did not answer since it last did.
    tries BIGINT NOT NULL DEFAULT 0,
    -- When it goes on, or a lease ends; none where it does not run.
    run_at BIGINT,
    lease_id BIGINT,
    PRIMARY KEY (team_id, id)
);

CREATE INDEX history_imports_by_run_at ON history_imports (run_at, team_id, id) WHERE run_at IS NOT NULL;

-- What of a file is not read yet: JSON, compressed by zstd.
CREATE TABLE history_import_parts (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    import_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (team_id, import_id, position)
);
