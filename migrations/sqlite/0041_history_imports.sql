-- Imports of what other systems know of a team's messages. The key that one reads with is sealed, and gone once it has ended.
CREATE TABLE history_imports (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    source TEXT NOT NULL,
    way TEXT NOT NULL,
    state TEXT NOT NULL,
    sealed TEXT NOT NULL,
    -- How far it came at the source; empty for a file, whose parts go as they are read.
    cursor TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    records INTEGER NOT NULL DEFAULT 0,
    recorded INTEGER NOT NULL DEFAULT 0,
    known INTEGER NOT NULL DEFAULT 0,
    unusable INTEGER NOT NULL DEFAULT 0,
    -- The times of the first and of the last event that were read.
    seen_from INTEGER,
    seen_until INTEGER,
    words TEXT NOT NULL DEFAULT '',
    -- How often the source did not answer since it last did.
    tries INTEGER NOT NULL DEFAULT 0,
    -- When it goes on, or a lease ends; none where it does not run.
    run_at INTEGER,
    lease_id INTEGER,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX history_imports_by_run_at ON history_imports (run_at, team_id, id) WHERE run_at IS NOT NULL;

-- What of a file is not read yet: JSON, compressed by zstd.
CREATE TABLE history_import_parts (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    import_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (team_id, import_id, position)
) STRICT;
